"""Trained agents: a folder of weights and plain text, played with NumPy; and, with the `rl` extra, how one is trained."""
