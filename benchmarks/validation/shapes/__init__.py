"""Shapes: phenomena that must emerge from the model and are not wired in, one experiment each, between twin worlds."""

from cardarena.benchmarks.validation.shapes.section import EXPERIMENTS, run

__all__ = ["EXPERIMENTS", "run"]
