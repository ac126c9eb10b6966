"""The arena: run matrix, metrics, statistics, reports and the command line."""
