"""How a ServiceDAG's `QoSMet` is judged: by what was observed, else by what is predicted; pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.kube.conditions import Reason
from edgewright.operator.dag import Dag
from edgewright.operator.measurement import Measurement
from edgewright.operator.verdicts import Verdict

OBSERVED, PREDICTED = "Observed", "Predicted"
UNOBSERVED = "Predicted (too little was observed lately)"
"""Instead of PREDICTED where observations were asked for."""


@dataclass(frozen=True)
class _Finding:
    """One limit of the spec and the value that stands against it."""

    source: str
    words: str
    broken: bool


def qos_met(dag: Dag, measured: Measurement | None, *, asked: bool = False) -> Verdict:
    """Whether the limits are kept; `asked`: a Prometheus is asked, so that a prediction needs a word of why.

    A limit on what nobody can observe (the skew at joins) is always judged by the prediction.
    """
    found = list(_findings(dag, measured))
    if not found:
        return Verdict("True", Reason.NO_LIMITS, "spec.qos sets no limit.")
    known = [finding for finding in found if finding is not None]
    if len(known) < len(found):
        return Verdict("Unknown", Reason.NOT_PLACED, "There is no placement to predict from yet.")
    predicted = UNOBSERVED if asked and measured is None else PREDICTED
    broken = [finding for finding in known if finding.broken]
    said = [
        f"{label}: {'; '.join(f.words for f in broken or known if f.source == source)}."
        for source, label in ((OBSERVED, OBSERVED), (PREDICTED, predicted))
        if any(f.source == source for f in broken or known)
    ]
    if broken:
        return Verdict("False", Reason.LIMIT_EXCEEDED, " ".join(said))
    return Verdict("True", Reason.WITHIN_LIMITS, " ".join(said))


def _findings(dag: Dag, measured: Measurement | None) -> Iterator[_Finding | None]:
    """One finding per limit of the spec, None where there is no value at all."""
    qos = dag.spec.qos
    predicted: Mapping[str, Any] = dag.status.get("predicted") or {}
    percentile = None if measured is None else measured.percentile(qos.percentile)
    jitter = None if measured is None else measured.jitter
    if percentile is not None and math.isinf(percentile):
        beyond = measured is not None and 1000 * measured.largest >= (qos.max_latency_ms or math.inf)
        percentile = measured.largest if measured is not None and beyond else None
    upper = (
        (f"latency (p{qos.percentile:g})", percentile, "p95Ms", qos.max_latency_ms, "maxLatencyMs"),
        ("jitter", jitter, "jitterMs", qos.max_jitter_ms, "maxJitterMs"),
        ("sync skew", None, "syncSkewMs", qos.max_sync_skew_ms, "maxSyncSkewMs"),
    )
    for name, seconds, key, limit, field in upper:
        if limit is not None:
            value = predicted.get(key) if seconds is None else 1000 * seconds
            yield None if value is None else _upper(name, value, limit, field, _source(seconds))
    if qos.min_success_probability is not None:
        success = None if measured is None else measured.success
        value = predicted.get("successProbability") if success is None else success
        yield None if value is None else _least(value, qos.min_success_probability, _source(success))


def _source(observed: float | None) -> str:
    return PREDICTED if observed is None else OBSERVED


def _upper(name: str, value: float, limit: float, field: str, source: str) -> _Finding:
    if value > limit:
        return _Finding(source, f"{name} {value:.4g} ms exceeds spec.qos.{field} {limit:g} ms", True)
    return _Finding(source, f"{name} {value:.4g} ms of {limit:g} ms", False)


def _least(value: float, least: float, source: str) -> _Finding:
    if value < least:
        words = f"success probability {value:.4g} is below spec.qos.minSuccessProbability {least:g}"
        return _Finding(source, words, True)
    return _Finding(source, f"success probability {value:.4g} of at least {least:g}", False)
