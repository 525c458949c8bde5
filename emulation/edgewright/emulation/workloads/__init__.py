"""Workloads of [MAPPO] 'Request generation': when requests arrive, and at which ServiceDAG."""

from edgewright.emulation.workloads.plan import KINDS, Kind, Target, Workload, arrivals

__all__ = ["KINDS", "Kind", "Target", "Workload", "arrivals"]
