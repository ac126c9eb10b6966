"""Gymnasium environments over the same world: what an agent trains in is what the arena plays."""
