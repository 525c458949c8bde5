"""Discrete-event simulation of single requests: shares domain types and paths with core, and no formula."""

from edgewright.emulation.events.simulation import (
    NodeFailure,
    Observed,
    RateChange,
    Simulation,
    simulate,
)

__all__ = ["NodeFailure", "Observed", "RateChange", "Simulation", "simulate"]
