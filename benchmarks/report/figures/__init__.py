"""The report's figures, one kind per file; each takes the standings and returns a drawing, or None without data."""
