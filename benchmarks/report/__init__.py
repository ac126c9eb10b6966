"""The report of an arena: one page that works offline, and its figures as files for slides."""

from cardarena.benchmarks.report.page import write_report

__all__ = ["write_report"]
