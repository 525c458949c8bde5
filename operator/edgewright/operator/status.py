"""The operator's part of a ServiceDAG's status: conditions, phase, replica counts, and their events; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.kube.conditions import ConditionType, Reason, Status, condition, find
from edgewright.operator.actions import Announce
from edgewright.operator.compile import Compiled
from edgewright.operator.dag import Dag
from edgewright.operator.measurement import moved as measurement_moved
from edgewright.operator.observed import Desired, Now, Observed
from edgewright.operator.quality import qos_met
from edgewright.operator.verdicts import Verdict, accepted, degraded, ready

OURS = (
    ConditionType.READY,
    ConditionType.ACCEPTED,
    ConditionType.PLANNED,
    ConditionType.QOS_MET,
    ConditionType.DEGRADED,
)
"""Conditions that the operator writes; `Placed` is the agent's."""
TOLERANCE = 0.05
"""Numbers in texts that move by less are not worth a write."""
_DECIDED = ("observedGeneration", "phase", "plan", "desired")
_STEPS = {"Pending", "Starting"}
_ON_THE_WAY = {  # to Ready, at first or again after a loss
    ("False", Reason.WAITING_FOR_AGENT),
    ("False", Reason.WAITING_FOR_PODS),
    ("False", Reason.REPLICAS_NOT_READY),
    ("False", Reason.REBINDING),
    ("False", Reason.NODE_LOST),
    ("True", Reason.REBINDING),
    ("True", Reason.NODE_LOST),
    ("Unknown", Reason.NOT_PLACED),
    ("True", Reason.WITHIN_LIMITS),
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Assessment:
    """What the status should say."""

    status: dict[str, Any]


def assess(observed: Observed, desired: Desired, compiled: Sequence[Compiled], now: Now) -> Assessment:
    """The operator's part of the status for what is observed; `compiled` is empty after a rejection."""
    dag = desired.dag
    acceptance = accepted(observed, desired, compiled)
    quality = qos_met(dag, observed.measured, asked=observed.asked)
    trouble = degraded(observed, desired, compiled)
    readiness = ready(observed, desired, compiled, acceptance, quality, trouble)
    planned = Verdict("False", Reason.PLANNER_UNAVAILABLE, "No planner is configured.")
    verdicts = dict(zip(OURS, (readiness, acceptance, planned, quality, trouble), strict=True))
    conditions = [
        condition(
            kind,
            verdict.status,
            verdict.reason,
            verdict.message,
            generation=dag.generation,
            previous=dag.conditions,
            at=now.stamp,
        )
        for kind, verdict in verdicts.items()
    ]
    status: dict[str, Any] = {
        "observedGeneration": dag.generation,
        "phase": _phase(acceptance, readiness, trouble),
        "conditions": conditions,
        "summary": {"ready": str(_headline(readiness, trouble).reason)},
        "plan": {"source": "none"},
        "message": _message(readiness, trouble),
    }
    counts = [
        {"microservice": microservice.name, "replicas": desired.counts[microservice.name]}
        for microservice in dag.spec.microservices
        if microservice.name in desired.counts
    ]
    # After a rejection the counts of what still runs stand.
    status["desired"] = counts or list(dag.status.get("desired") or [])
    if observed.measured is not None:  # left out, it is removed: what stands there is always fresh
        limit = dag.spec.qos.max_latency_ms
        status["observed"] = observed.measured.status(
            dag.spec.qos.percentile, None if limit is None else limit / 1000
        )
    return Assessment(status)


def turned(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether more than texts differ: a condition's status or reason, or what was decided."""
    if _differ(before, after, _DECIDED):
        return True
    if (before.get("summary") or {}).get("ready", "") != after["summary"]["ready"]:
        return True
    return any(old is None or _verdict(old) != _verdict(new) for old, new in _paired(before, after))


def urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a change must be told at once: all that turned, but not a step on the expected way to Ready."""
    decided = [name for name in _DECIDED if name != "phase" or not {before.get(name), after[name]} <= _STEPS]
    if _differ(before, after, decided):
        return True
    return any(
        old is None or (_verdict(old) != _verdict(new) and not {_verdict(old), _verdict(new)} <= _ON_THE_WAY)
        for old, new in _paired(before, after)
    )


def significant(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a status differs from the stored one by more than 5 % of a number in a text."""
    if turned(before, after):
        return True
    if _moved(before.get("message") or "", after["message"]):
        return True
    if measurement_moved(before.get("observed"), after.get("observed")):
        return True
    return any(_condition_moved(old, new) for old, new in _paired(before, after))


def announcements(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[Announce]:
    """Events for conditions whose status or reason changed, the expected beginnings left out."""
    said: list[Announce] = []
    stored = list(before)
    for new in after:
        old = find(stored, ConditionType(new["type"]))
        if old is not None and (old["status"], old["reason"]) == (new["status"], new["reason"]):
            continue
        announce = _announcement(ConditionType(new["type"]), old, new)
        if announce is not None and announce.reason not in {entry.reason for entry in said}:
            said.append(announce)
    return said


def _differ(before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether any of these parts differs; absent and empty are the same."""
    return any(before.get(name) != after[name] and (before.get(name) or after[name]) for name in names)


def _paired(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any] | None, Mapping[str, Any]]]:
    """Every new condition with the stored one."""
    for new in after["conditions"]:
        yield find(before.get("conditions") or [], new["type"]), new


def _verdict(entry: Mapping[str, Any]) -> tuple[str, str]:
    return entry["status"], entry["reason"]


def _announcement(
    kind: ConditionType, old: Mapping[str, Any] | None, new: Mapping[str, Any]
) -> Announce | None:
    holds, reason, message = new["status"] == "True", str(new["reason"]), str(new["message"])
    if kind in {ConditionType.READY, ConditionType.ACCEPTED}:
        if holds:
            return Announce(reason, message)
        expected = kind is ConditionType.READY and (old is None or old["status"] != "True")
        return None if expected else Announce(reason, message, warning=True)
    if kind is ConditionType.DEGRADED:
        if holds:
            return Announce(reason, message, warning=True)
        return Announce(reason, message) if old is not None and old["status"] == "True" else None
    if kind is ConditionType.QOS_MET and new["status"] == "False":
        return Announce(reason, message, warning=True)
    return None


def _phase(acceptance: Verdict, readiness: Verdict, trouble: Verdict) -> str:
    if acceptance.status == "False":
        return "Rejected"
    if readiness.reason is Reason.DRY_RUN:
        return "DryRun"
    if trouble.status == "True":
        return "Degraded"
    if readiness.status == "True":
        return "Running"
    waiting = {Reason.REPLICAS_NOT_READY, Reason.WAITING_FOR_PODS, Reason.REBINDING}
    return "Starting" if readiness.reason in waiting else "Pending"


def _headline(readiness: Verdict, trouble: Verdict) -> Verdict:
    return trouble if readiness.status == "True" and trouble.status == "True" else readiness


def _message(readiness: Verdict, trouble: Verdict) -> str:
    headline = _headline(readiness, trouble)
    return "" if headline.status == "True" and headline is readiness else headline.message


def _condition_moved(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    if old is None:
        return True
    exact = ("status", "reason", "observedGeneration")
    if any(old.get(name) != new[name] for name in exact):
        return True
    return _moved(str(old.get("message") or ""), new["message"])


def _moved(before: str, after: str) -> bool:
    """Whether two texts differ in words, or in a number by more than TOLERANCE."""
    if before == after:
        return False
    if _NUMBER.split(before) != _NUMBER.split(after):
        return True
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(after), strict=True)
    return any(abs(float(a) - float(b)) > TOLERANCE * max(abs(float(a)), abs(float(b))) for a, b in pairs)


__all__ = ["OURS", "Assessment", "Dag", "Status", "announcements", "assess", "significant", "urgent"]
