"""Workloads of [MAPPO] 'Request generation': when requests arrive, and at which ServiceDAG."""

from pathlib import Path

from edgewright.emulation.workloads.plan import KINDS, Kind, Target, Workload, arrivals

__all__ = ["KINDS", "Kind", "Target", "Workload", "arrivals", "locustfile_path"]


def locustfile_path() -> Path:
    """The file that locust runs."""
    return Path(__file__).with_name("locustfile.py")
