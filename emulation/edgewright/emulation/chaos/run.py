"""Runs an experiment on a cluster: checks it, records beside it, heals whatever happens, and judges."""

import asyncio
import json
import logging
import platform
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
from chaoslib.experiment import run_experiment
from chaoslib.run import RunEventHandler

from edgewright.emulation.chaos import actions, findings, page, probes, scenario, state
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.findings import Report
from edgewright.emulation.chaos.progress import Progress
from edgewright.emulation.chaos.recorder import Recorder
from edgewright.emulation.chaos.recording import Recording
from edgewright.emulation.chaos.target import Target
from edgewright.emulation.testbed.report import Report as Progressing
from edgewright.kube.errors import ApiError

SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}
"""Chaos Toolkit's own default is to leave an interrupted or failed experiment's damage in place."""
SETTLE_SECONDS = 60.0
"""How long after the rollbacks everything may take to be whole."""
JOURNAL, REPORT, PAGE, LOG = "journal.json", "report.json", "report.html", "chaos.log"
Say = Callable[[str], None]
_EXTENSION = "edgewright"
"""Key of the journal under which the recording and all else is kept that a report needs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A report and where it lies."""

    report: Report
    folder: Path


def run(experiment: scenario.Experiment, target: Target, out: Path, *, report: Progressing) -> Outcome:
    """Run the experiment, heal, judge, and write journal and report below `out`; `report` gets each step.

    Raises ChaosError before anything is injected if a target does not exist, another run is at work, or an
    earlier one is not healed.
    """
    experiment = {
        **experiment,
        "configuration": {**experiment.get("configuration", {}), **target.configuration},
    }
    with target.ledger.locked():
        if left := target.ledger.entries():
            raise ChaosError(
                f"an earlier run left {len(left)} injections, such as {left[0].plan['what']}: "
                "`edgewright chaos heal` mends that"
            )
        asyncio.run(_check(experiment, target))
        out.mkdir(parents=True, exist_ok=True)
        progress = Progress(report)
        with _logging_to(out / LOG), Recorder(target, progress.show) as recorder:
            environment = asyncio.run(_environment(experiment, target))
            journal = run_experiment(experiment, SETTINGS, event_handlers=[_Steps(recorder, progress.say)])
            progress.say("waiting until everything is whole")
            wrong, limits = _settle(target)
    journal[_EXTENSION] = {
        "recording": msgspec.to_builtins(recorder.recording()),
        "healed": wrong,
        "limits": limits,
        "environment": environment,
    }
    return write(journal, out)


async def _check(experiment: scenario.Experiment, target: Target) -> None:
    async with target.world() as world:
        await scenario.check(experiment, world)


def _settle(target: Target) -> tuple[list[str], list[str]]:
    """(what is missing at the end, which limits do not hold), with whatever the rollbacks left healed."""
    try:
        actions.heal(configuration=target.configuration)
        # A limit that a node's return breaks stays broken: nothing moves Ready replicas in this version.
        wrong = asyncio.run(probes.wait(target, SETTLE_SECONDS, limits=False))
        return wrong, asyncio.run(_limits(target))
    except (ChaosError, ApiError) as error:
        return [str(error)], []
    except KeyboardInterrupt:
        return ["interrupted; `edgewright chaos heal` mends what is left"], []


async def _limits(target: Target) -> list[str]:
    async with target.world() as world:
        return (await state.look(world.api)).limits_broken()


def write(journal: dict[str, Any], out: Path) -> Outcome:
    """Judge a journal and write it with its report; ChaosError for a journal that is not of such a run."""
    if _EXTENSION not in journal:
        raise ChaosError("this journal was not written by `edgewright chaos run`: it has no recording")
    own = journal[_EXTENSION]
    try:
        recording = msgspec.convert(own["recording"], Recording)
        report = findings.report(journal, recording, own["healed"], own["limits"], own["environment"])
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise ChaosError(f"this journal cannot be read: {type(error).__name__}: {error}") from None
    out.mkdir(parents=True, exist_ok=True)
    (out / JOURNAL).write_text(json.dumps(journal, indent=1, default=str))
    (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    (out / PAGE).write_text(page.render(report, recording))
    return Outcome(report, out)


def read(path: Path) -> dict[str, Any]:
    """A journal from its file, or from the folder of a run."""
    file = path / JOURNAL if path.is_dir() else path
    try:
        journal = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ChaosError(f"{file} cannot be read as a journal: {error}") from None
    if not isinstance(journal, dict):
        raise ChaosError(f"{file} is not a journal")
    return journal


async def _environment(experiment: scenario.Experiment, target: Target) -> dict[str, Any]:
    async with target.world() as world:
        server = await world.api.get("/version")
    bed = target.bed
    about = (
        f"{bed.state.scenario}, {bed.state.nodes} nodes, {bed.state.heartbeat} heartbeats"
        if bed
        else "no testbed"
    )
    return {
        "target": target.name,
        "testbed": about,
        "kubernetes": server.get("gitVersion", "unknown"),
        "edgewright": version("edgewright"),
        "chaostoolkit-lib": version("chaostoolkit-lib"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "variables": {
            key: value
            for key, value in experiment["configuration"].items()
            if key not in target.configuration and not isinstance(value, dict)
        },
    }


class _Steps(RunEventHandler):  # type: ignore[misc]
    """Tells each step, hands the recorder what was injected, and stops at the first action that fails."""

    def __init__(self, recorder: Recorder, say: Say) -> None:
        self._recorder = recorder
        self._say = say
        self._journal: dict[str, Any] = {}
        self._began = 0.0

    def started(self, experiment: scenario.Experiment, journal: dict[str, Any]) -> None:
        self._journal = journal
        # Chaos Toolkit's own handler raises what an activity's error handling would swallow.
        signal.signal(signal.SIGTERM, _interrupt)

    def start_hypothesis_before(self, experiment: scenario.Experiment) -> None:
        self._say("steady state before")

    def start_hypothesis_after(self, experiment: scenario.Experiment) -> None:
        self._say("steady state after")

    def start_rollbacks(self, experiment: scenario.Experiment) -> None:
        self._say("healing")

    def start_activity(self, activity: dict[str, Any]) -> None:
        self._began = self._recorder.now
        if "tolerance" not in activity:
            self._say(activity["name"])

    def activity_completed(self, activity: dict[str, Any], run: dict[str, Any]) -> None:
        output = run.get("output")
        if isinstance(output, dict) and "fault" in output:
            self._recorder.injected(output, self._began)
            self._say(output["what"])
        elif isinstance(output, dict) and "healed" in output:
            self._recorder.healed(output["healed"])
        if run.get("status") == "failed" and activity["type"] == "action":
            self._journal["status"] = "aborted"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    """Everything that is logged goes to the file instead of the terminal."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root, engine = logging.getLogger(), logging.getLogger("chaostoolkit")
    levels = root.level, engine.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    engine.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        engine.setLevel(levels[1])
        handler.close()
