"""CardArena, a laboratory for bank-card marketing: simulate cardholders, compete policies, trust the ranking.

The code lives in the top-level folders ``simulator``, ``agents``, ``scenarios`` and ``benchmarks``; this package is
the name under which they are imported.
"""

__version__ = "0.1.0"
