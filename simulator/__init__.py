"""The world: cardholders, the bank that contacts them, and the clock; it knows nothing of policies or arenas."""
