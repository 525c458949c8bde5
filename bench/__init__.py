"""Benchmarks of placement, recovery, decisions and footprint: `python -m bench`."""
