"""The emulated data plane: answers HTTP requests for a ServiceDAG as its placement would, right now."""

CARRIES = 2000
"""Requests per second that one gateway answers in time (docs/reference/benchmarks.md)."""
