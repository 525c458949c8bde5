"""The results folder of an experiment: a unit's rows are written whole or not at all, and never mixed."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import edgewright.agents
import edgewright.core
import edgewright.emulation
from edgewright.emulation.experiments.experiment import (
    Config,
    Experiment,
    ExperimentError,
    Row,
    Scale,
    Unit,
    unit_name,
)

FORMAT = 1
"""Of the folder itself; another one cannot be continued."""
BESIDES = ("numpy", "numba", "scipy")
"""Libraries whose version may change a bit of a result."""


@dataclass(frozen=True)
class Folder:
    """One experiment's results: manifest.json, units/, and what is gathered from them."""

    path: Path

    @property
    def manifest(self) -> Path:
        """What was asked for, with which versions."""
        return self.path / "manifest.json"

    def open(self, experiment: "Experiment[Any, Any]", scale: Scale, config: Config) -> None:
        """Begin, or continue what began just so; ExperimentError naming what differs otherwise."""
        wanted = describe(experiment, scale, config)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not any(self.path.iterdir()):
                write(self.manifest, json.dumps(wanted, indent=2) + "\n")
            self._refuse_other(wanted)
            (self.path / "units").mkdir(exist_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _refuse_other(self, wanted: dict[str, Any]) -> None:
        found, asked = _flat(self.read()), _flat(wanted)
        different = [
            f"{key} is {_short(found.get(key))}, now {_short(asked.get(key))}"
            for key in dict.fromkeys((*asked, *found))
            if found.get(key) != asked.get(key)
        ]
        if different:
            raise ExperimentError(
                f"results folder {self.path} was begun differently: {'; '.join(different[:4])}; "
                "give another folder with --out, or delete this one"
            )

    def read(self) -> dict[str, Any]:
        """The manifest; ExperimentError if this is no folder of results."""
        try:
            found = json.loads(self.manifest.read_text())
        except (OSError, ValueError) as error:
            raise ExperimentError(
                f"folder {self.path} has no readable manifest.json, so it holds no results of an experiment; "
                "give another folder with --out"
            ) from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ExperimentError(
                f"{self.manifest} is not of format {FORMAT}; give another folder with --out"
            )
        return found

    def rows(self, unit: Unit) -> list[Row] | None:
        """What is stored of a unit; None if it is not done. ExperimentError if the file is damaged."""
        path = self._unit(unit)
        if not path.exists():
            return None
        try:
            stored = json.loads(path.read_text())
            return [dict(row) for row in stored]
        except (ValueError, TypeError) as error:
            raise ExperimentError(f"{path} is damaged ({error}); delete it and run again") from error

    def store(self, unit: Unit, rows: Sequence[Row]) -> None:
        """Write a unit's rows, each with the unit's own fields in front."""
        own = asdict(unit)  # type: ignore[call-overload]  # a protocol cannot ask for a dataclass
        lines = ",\n".join(json.dumps({**own, **row}) for row in rows)
        write(self._unit(unit), f"[\n{lines}\n]\n")

    def _unit(self, unit: Unit) -> Path:
        return self.path / "units" / f"{unit_name(unit)}.json"


def write(path: Path, content: str | bytes) -> None:
    """Replace a file in one step: whoever is interrupted leaves the old one or the new one.

    ExperimentError where it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ExperimentError:
    return ExperimentError(f"{path} cannot be written: {error.strerror}; give another folder with --out")


def describe(experiment: "Experiment[Any, Any]", scale: Scale, config: Config) -> dict[str, Any]:
    """What results depend on, as JSON has it."""
    described = {
        "format": FORMAT,
        "experiment": experiment.name,
        "scale": str(scale),
        "config": asdict(config),
        "first seed": config.held_out.start,
        "versions": versions(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Of Edgewright, its model's sources, Python, and what computes."""
    found = {"edgewright": _version("edgewright"), "sources": sources(), "python": platform.python_version()}
    return found | {name: _version(name) for name in BESIDES}


def sources() -> str:
    """First digits of a SHA-256 over the Python files that results depend on: core, agents, emulation."""
    digest = hashlib.sha256()
    for package in (edgewright.core, edgewright.agents, edgewright.emulation):
        root = Path(next(iter(package.__path__)))
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _short(value: object) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
