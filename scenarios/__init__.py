"""The shipped scenarios, as data: YAML files that the simulator's schema reads."""
