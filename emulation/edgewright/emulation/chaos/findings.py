"""What a recording and a journal say: how long each injection was felt, what was lost, and the verdict."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from edgewright.emulation.chaos.answers import Phase, not_as_said, phases
from edgewright.emulation.chaos.recording import DagSample, Injection, PodLife, Recording, Sample

Verdict = Literal["passed", "failed", "interrupted"]


class InjectionFinding(msgspec.Struct, frozen=True):
    """What one injection did."""

    fault: str
    what: str
    began: float
    lasted: float | None
    """Seconds until it was healed; None if it never was."""
    disturbed: bool
    """Whether anything was missing at any time before an injection that followed its healing."""
    recovery: float | None
    """Seconds from the injection until nothing was missing any more; 0 if nothing was, None if it stayed."""
    replaced: int
    """Replicas that were lost to it or evicted by it, and bound anew."""
    slowest_bind: float | None
    """Most seconds from a replacement's appearance to its binding."""
    latency_before: float | None
    """Latency over its limit just before, where it rose most: observed by Prometheus, else predicted."""
    latency_worst: float | None
    """The same at its worst meanwhile."""
    violated_seconds: float
    """How long the limits of any ServiceDAG did not hold."""


class Report(msgspec.Struct, frozen=True):
    """The result of a run."""

    title: str
    verdict: Verdict
    reasons: list[str]
    """Why it did not pass; empty if it did."""
    hypothesis: dict[str, str]
    """The steady state `before`, `after` the method and once `healed`: `holds`, or what was wrong."""
    remarks: list[str]
    """What is worth knowing although it does not decide the verdict."""
    lost: list[str]
    """ServiceDAGs and replicas that were there before and are not at the end."""
    doubled: list[str]
    """Replicas that were bound more than once."""
    missing_replica_seconds: float
    """Sum over time of the replicas wanted and not Ready."""
    api_away_seconds: float
    injections: list[InjectionFinding]
    asked: list[Phase]
    """What users were answered, where they asked."""
    duration: float
    environment: dict[str, Any]


def report(
    journal: Mapping[str, Any],
    recording: Recording,
    healed: Sequence[str],
    limits: Sequence[str],
    environment: Mapping[str, Any],
) -> Report:
    """Judge a run; once all was healed, `healed` was still missing and `limits` did not hold."""
    states = journal["steady_states"]
    hypothesis = {
        "before": _judged(states["before"]),
        "after": _judged(states["after"]),
        "healed": ", ".join(healed) or "holds",
    }
    lost, doubled = _lost(recording), _doubled(recording)
    reasons = [f"{when} the method: {said}" for when, said in _broken(hypothesis)]
    reasons += [f"once healed: {hypothesis['healed']}"] if healed else []
    reasons += [f"{run['activity']['name']}: {_why(run)}" for run in _failed(journal)]
    reasons += [f"lost: {each}" for each in lost] + [f"bound twice: {each}" for each in doubled]
    remarks = [
        f"over its limit once healed, because nothing moves Ready replicas by itself: {each}"
        for each in limits
    ]
    if late := not_as_said(recording):
        remarks.append(late)
    interrupted = journal["status"] == "interrupted"
    return Report(
        title=journal["experiment"]["title"],
        verdict="interrupted" if interrupted else "failed" if reasons else "passed",
        reasons=reasons,
        hypothesis=hypothesis,
        remarks=remarks,
        lost=lost,
        doubled=doubled,
        missing_replica_seconds=round(_integral(recording, _missing), 1),
        api_away_seconds=round(_integral(recording, lambda sample: not sample.answers), 1),
        injections=_findings(recording),
        asked=phases(recording),
        duration=round(recording.samples[-1].at if recording.samples else 0.0, 1),
        environment=dict(environment),
    )


def _broken(hypothesis: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(when, hypothesis[when]) for when in ("before", "after") if hypothesis[when] != "holds"]


def _judged(state: Mapping[str, Any] | None) -> str:
    if state is None:
        return "not looked at"
    if state["steady_state_met"]:
        return "holds"
    last = state["probes"][-1]
    return f"{last['activity']['name']}: {last['output'] if last['status'] == 'succeeded' else _why(last)}"


def _failed(journal: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    runs = [*journal["run"], *journal["rollbacks"]]
    return [run for run in runs if run.get("status") == "failed"]


def _why(run: Mapping[str, Any]) -> str:
    """The last line of the activity's traceback, without the names of exception classes."""
    said = str((run.get("exception") or ["it was interrupted"])[-1]).strip()
    for prefix in ("chaoslib.exceptions.ActivityFailed: ", "edgewright.emulation.chaos.errors.ChaosError: "):
        said = said.removeprefix(prefix)
    return said


def _findings(recording: Recording) -> list[InjectionFinding]:
    return [_finding(recording, each, _until(each, recording.faults)) for each in recording.faults]


def _until(injection: Injection, injections: Sequence[Injection]) -> float:
    """Up to when something missing is this injection's doing: the next one that began when it was healed."""
    if injection.ended is None:
        return float("inf")
    return min((each.began for each in injections if each.began >= injection.ended), default=float("inf"))


def _finding(recording: Recording, injection: Injection, end: float) -> InjectionFinding:
    samples, last = recording.samples, recording.samples[-1].at
    window = [s for s in samples if injection.began <= s.at < end]
    before = [s for s in samples if s.at < injection.began][-1:]
    moved = [p for p in recording.pods.values() if _taken(p, injection, end)]
    fresh = [p for p in recording.pods.values() if injection.began <= p.seen < end and p.bound is not None]
    rise = _largest_rise(before, window)
    recovery, disturbed = recovery_seconds(samples, injection.began, end)
    violated = [s for s in [*before, *window] if any(dag.violated for dag in s.dags.values())]
    return InjectionFinding(
        fault=injection.fault,
        what=injection.what,
        began=round(injection.began, 2),
        lasted=None if injection.ended is None else round(injection.ended - injection.began, 2),
        disturbed=disturbed,
        recovery=None if recovery is None else round(recovery, 2),
        replaced=len(moved),
        slowest_bind=max((round((p.bound or 0.0) - p.seen, 2) for p in fresh), default=None),
        latency_before=rise[0],
        latency_worst=rise[1],
        violated_seconds=round(
            sum(
                _overlap(s.at, after.at if after else last, injection.began, min(end, last))
                for s, after in _with_next(samples)
                if s in violated
            ),
            2,
        ),
    )


def recovery_seconds(samples: Sequence[Sample], began: float, end: float) -> tuple[float | None, bool]:
    """(seconds until whole again, whether anything was missing) after the moment `began`.

    The disturbance is the first sample up to `end` at which something is missing; the recovery is looked for
    in all that follows. None: it never was whole again.
    """
    first = next((i for i, s in enumerate(samples) if began <= s.at < end and not s.whole), None)
    if first is None:
        return 0.0, False
    again = next((s for s in samples[first:] if s.whole), None)
    return (None if again is None else again.at - began), True


def _taken(pod: PodLife, injection: Injection, end: float) -> bool:
    """Whether the injection cost this replica its place: it was bound before, and went away meanwhile."""
    if pod.bound is None or pod.bound > injection.began:
        return False
    went = min((at for at in (pod.leaving, pod.gone) if at is not None), default=None)
    return went is not None and injection.began <= went < end


def _lost(recording: Recording) -> list[str]:
    if not recording.samples:
        return []
    first, last = recording.samples[0], recording.samples[-1]
    found = [f"ServiceDAG {name}" for name in first.dags if name not in last.dags]
    for name, dag in last.dags.items():
        if name in first.dags and dag.ready < dag.desired:
            found.append(f"{dag.desired - dag.ready} of {dag.desired} replicas of {name}")
    return found


def _doubled(recording: Recording) -> list[str]:
    return [f"{p.dag} {p.pod} ({', '.join(p.nodes)})" for p in recording.pods.values() if len(p.nodes) > 1]


def _missing(sample: Sample) -> float:
    return sum(max(0, dag.desired - dag.ready) for dag in sample.dags.values())


def _largest_rise(before: Sequence[Sample], window: Sequence[Sample]) -> tuple[float | None, float | None]:
    """(latency over its limit before, at its worst) of the ServiceDAG whose latency rose by most."""
    rises = []
    for name, dag in (before[-1].dags if before else {}).items():
        meanwhile = [ratio for s in window if name in s.dags and (ratio := _ratio(s.dags[name])) is not None]
        if (usual := _ratio(dag)) is not None:
            rises.append((usual, max([usual, *meanwhile])))
    usual, worst = max(rises, key=lambda pair: pair[1] / max(pair[0], 1e-9), default=(None, None))
    return (None, None) if usual is None or worst is None else (round(usual, 3), round(worst, 3))


def _ratio(dag: DagSample) -> float | None:
    return dag.observed if dag.observed is not None else dag.predicted


def _integral(recording: Recording, value: Any) -> float:
    return sum(float(value(s)) * (after.at - s.at) for s, after in _with_next(recording.samples) if after)


def _with_next(samples: Sequence[Sample]) -> list[tuple[Sample, Sample | None]]:
    return list(zip(samples, [*samples[1:], None], strict=True))


def _overlap(a: float, b: float, c: float, d: float) -> float:
    return max(0.0, min(b, d) - max(a, c))
