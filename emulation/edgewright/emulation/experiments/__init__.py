"""The experiments of `edgewright experiment`, one file each; a new one is written there and named here."""

from typing import Any

from edgewright.emulation.experiments import (
    arrival_rate,
    complexity,
    fairness,
    fidelity,
    optimality_gap,
    resilience,
    simulator_speed,
    utilisation,
)
from edgewright.emulation.experiments.experiment import Config, Experiment, ExperimentError, Scale

__all__ = ["Config", "Experiment", "ExperimentError", "Scale", "experiments", "find"]

experiments: dict[str, Experiment[Any, Any]] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        fidelity,
        optimality_gap,
        simulator_speed,
        arrival_rate,
        complexity,
        resilience,
        utilisation,
        fairness,
    )
}
"""By the name on the command line."""


def find(name: str) -> Experiment[Any, Any]:
    """The experiment of that name; ExperimentError with the known names."""
    if name not in experiments:
        raise ExperimentError(f"no experiment {name!r}: there are {', '.join(experiments)}")
    return experiments[name]
