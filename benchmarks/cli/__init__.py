"""The command line `cardarena`.

Nothing heavy is imported here: `cardarena --help` answers at once. Each command imports what it needs when it runs.
"""

from cardarena.benchmarks.cli.app import main

__all__ = ["main"]
