"""Training with Stable-Baselines3: only what the `rl` extra brings is imported here, and only from here."""
