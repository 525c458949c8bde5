"""Scenarios: experiments of Chaos Toolkit in files, their variables, and the check of every target."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from chaoslib import substitute
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid

from edgewright.emulation.chaos import actions
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import World
from edgewright.kube.errors import ApiError

FOLDER = Path(__file__).parent / "scenarios"
Experiment = dict[str, Any]


def names() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load(given: str) -> Experiment:
    """The scenario of that name, or the experiment in that file; ChaosError if it is not sound."""
    path = _path(given)
    if not path.is_file():
        raise ChaosError(f"no scenario {given!r} and no such file; there are {', '.join(names())}")
    try:
        experiment = yaml.safe_load(path.read_text())
        if not isinstance(experiment, dict):
            raise ChaosError(f"{path} holds no experiment")
        ensure_experiment_is_valid(experiment)
    except (OSError, yaml.YAMLError, ChaosException, UnicodeDecodeError) as error:
        raise ChaosError(f"{path} is no sound experiment: {' '.join(str(error).split())}") from None
    return experiment


def _path(given: str) -> Path:
    return FOLDER / f"{given}.yaml" if given in names() else Path(given)


def variables(given: str) -> list[tuple[str, str, str]]:
    """(variable, default, meaning: the comment behind it in the file) of the scenario or file."""
    text = _path(given).read_text()
    found = []
    for key, default in load(given).get("configuration", {}).items():
        said = re.search(rf"^\s+{re.escape(key)}: .*?# (.*)$", text, re.MULTILINE)
        found.append((key, json.dumps(default), said[1] if said else ""))
    return found


def set_variables(experiment: Experiment, pairs: Iterable[str]) -> None:
    """Override variables of the experiment by `name=value`; each must be of the kind of its default."""
    configuration = experiment.setdefault("configuration", {})
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in configuration:
            known = ", ".join(f"{key}={value}" for key, value in configuration.items()) or "no variables"
            raise ChaosError(f"--set {pair}: write name=value; this scenario has {known}")
        configuration[name] = _like(configuration[name], text, name)


def _like(default: Any, text: str, name: str) -> Any:
    if isinstance(default, str):
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    # YAML's true and false are numbers to Python, but not to anyone else.
    if isinstance(value, bool) != isinstance(default, bool) or not isinstance(value, int | float):
        raise ChaosError(
            f"--set {name}={text}: give a {'yes or no' if isinstance(default, bool) else 'number'}"
        )
    if isinstance(default, int) and not isinstance(default, bool) and float(value).is_integer():
        return int(value)
    return value


async def check(experiment: Experiment, world: World) -> None:
    """Plan every injection without doing any: ChaosError if a target does not exist."""
    configuration = experiment.get("configuration", {})
    for activity in (*experiment["method"], *experiment.get("rollbacks", [])):
        provider: Mapping[str, Any] = activity.get("provider", {})
        fault = (
            actions.fault_of(provider.get("func", "")) if provider.get("module") == actions.MODULE else None
        )
        if fault is None:
            continue
        try:
            await fault.plan(world, **substitute(provider.get("arguments", {}), configuration, {}))
        except (TypeError, ApiError) as error:
            raise ChaosError(f"{activity['name']}: {error}") from None
