"""What users get while nodes fail or requests burst, and how long until that is over."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgewright.emulation.experiments.comparison import Comparison, per_cent, words
from edgewright.emulation.experiments.contest import QUICK, Entry, Terms
from edgewright.emulation.experiments.experiment import Experiment, Row, Scale
from edgewright.emulation.experiments.lineup import ready
from edgewright.emulation.experiments.scoring import place_all
from edgewright.emulation.experiments.setting import Setting, truth, workload
from edgewright.emulation.experiments.statistics import hierarchical, recovery, settled
from edgewright.emulation.experiments.timeline import DURING, MOST, PERIOD, burst, fail, survive

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FAILURE, BURST = "failure", "burst"
SERVED = 0.2
"""Violations, at most, that count as service for everybody: the same for all policies."""
HORIZON = MOST
"""Periods after a failure over which violations are averaged, what was reached last going on."""
PRINTED = {
    (FAILURE, 0.05): (("LLM-MAPPO", "< 40 s", ""),),
    (FAILURE, 0.25): (("LLM-MAPPO", "< 85 s", ""), ("CROMADQN", "about 300 s", "")),
    (BURST, None): (("LLM-MAPPO", "40 s", "1.9 x"), ("RSPPO", "60 s", "2.4 x")),
}
"""[MAPPO] Fig. 7 and its text: recovery, peak latency over the level before."""


@dataclass(frozen=True, kw_only=True)
class Shocks(Terms):
    """What happens."""

    failures: tuple[float, ...] = (0.05, 0.10, 0.15, 0.20, 0.25)
    """Shares of the edge nodes that fail."""
    bursts: tuple[float, ...] = (1.5, 2.0)
    """Demand of all DAGs for 20 s, over that before; the paper does not print its own."""
    rate: float = 200.0
    """Requests per second of every region."""
    requests: int = 24_000
    """Simulated for a period after a failure: what 12 regions ask for in one."""


@dataclass(frozen=True)
class Shock(Entry):
    """One policy and one disturbance."""

    kind: str
    size: float


def units(config: Shocks) -> list[Shock]:
    """Every policy in every disturbance."""
    return [
        Shock(seed, policy, budget, kind, size)
        for seed in config.held_out
        for kind, size in shocks(config)
        for policy in config.policies
        for budget in config.budgets
    ]


def shocks(config: Shocks) -> list[tuple[str, float]]:
    """Kind and size of what happens."""
    return [(FAILURE, size) for size in config.failures] + [(BURST, size) for size in config.bursts]


@lru_cache(maxsize=2)
def setting(config: Shocks, seed: int) -> Setting:
    """The same DAGs for every disturbance of a seed."""
    return workload(config.scenario, config.nodes, config.regions, seed=seed, rate=config.rate)


def run(config: Shocks, unit: Shock) -> list[Row]:
    """One row per period, -1 the one before; what concerns the whole run stands in every row."""
    here, policy = setting(config, unit.seed), ready(unit.policy)
    start = place_all(policy, here, seconds=unit.budget_s, seed=unit.seed)
    true = truth(here, unit.seed)
    if unit.kind == BURST:
        before, *after = burst(here, true, start, unit.size, unit.seed)
        lasts = DURING
    else:
        down = fail(here, unit.size, unit.seed)
        before, *after = survive(
            policy,
            here,
            true,
            start,
            down,
            seconds=unit.budget_s,
            requests=config.requests,
            seed=unit.seed,
        )
        lasts = 0
    cost = np.array([period.cost for period in after])
    late = np.array([period.violation for period in after])
    # Counted from the first period of the disturbance, in which a burst cannot be over yet.
    back, served = recovery(cost[lasts:], before.cost), settled(late[lasts:], SERVED)
    whole = np.concatenate([late, np.full(max(0, HORIZON - len(late)), late[-1])])
    summary = {
        "recovery_s": None if back is None else (lasts + back) * PERIOD,
        "served_s": None if served is None else (lasts + served) * PERIOD,
        "peak": float(cost.max()) / before.cost,
        "mean_violation": float(whole[:HORIZON].mean()) if unit.kind == FAILURE else float(late.mean()),
        "dags": len(true),
    }
    return [{"period": at, **asdict(period), **summary} for at, period in enumerate((before, *after), -1)]


def comparison(frame: "pd.DataFrame", config: Shocks) -> Comparison:
    """What users got, and recovery, by disturbance; beside what is printed."""
    lines: list[tuple[str, ...]] = []
    for kind, size in shocks(config):
        here = frame[(frame["kind"] == kind) & (frame["size"] == size)]
        for name in config.policies:
            for budget in config.budgets:
                rows = here[(here["policy"] == name) & (here["budget_s"] == budget)]
                lines.append((_title(kind, size), name, f"{budget:g} s", *_cells(rows)))
        lines += [
            (_title(kind, size), f"{method}, printed", *("",) * 4, seconds, "", peak)
            for method, seconds, peak in PRINTED.get((kind, size if kind == FAILURE else None), ())
        ]
    return Comparison(
        (
            "disturbance",
            "policy",
            "time allowed",
            "violations before, worst, at the end",
            "mean of violations",
            "DAGs without a place before, at the end",
            "median recovery",
            f"at most {SERVED:.0%} violations",
            "peak level",
        ),
        tuple(lines),
        (
            "Violations: share of the offered requests late, lost or of a DAG that does not serve; means of "
            f"all seeds, and over {HORIZON * PERIOD:g} s from a failure, or the burst and 100 s.",
            "Level: mean over offered requests of min(latency / limit, 10); lost and not served count 10. "
            "Recovery: first of 3 periods of 10 s in a row within 1.1 times the policy's own level before: "
            "whoever served badly before recovers easily. The column beside it asks the same of all.",
            "A recovery that was not seen is censored: the median counts it as longer than all others; in "
            "brackets how many of the runs were not.",
            *(_why(frame[(frame["kind"] == FAILURE) & (frame["size"] == size)]) for size in config.failures),
            "Failures: users of a failed node's cell go over to the nearest living one; each agent decides "
            "once per period, new replicas serve from the next, others stay where they are; queues do not "
            "carry over between periods. Bursts: one simulation with its queues; placements stay.",
        ),
    )


def _title(kind: str, size: float) -> str:
    return f"{size:.0%} of edge nodes fail" if kind == FAILURE else f"{size:g} x requests for 20 s"


def _cells(rows: "pd.DataFrame") -> Iterator[str]:
    """Cells of one policy in one disturbance; `rows` are the periods of all seeds."""
    by_run = rows.groupby("seed")
    before, last = by_run.first(), by_run.last()
    worst = rows[rows["period"] >= 0].groupby("seed")["violation"].max()
    yield (
        " → ".join(f"{100 * each.mean():.1f}" for each in (before["violation"], worst, last["violation"]))
        + " %"
    )
    yield per_cent(float(before["mean_violation"].mean()))
    yield f"{before['pending'].mean():.3g} → {last['pending'].mean():.3g} of {before['dags'].mean():.3g}"
    for column in ("recovery_s", "served_s"):
        seconds = before[column].astype(float).fillna(np.inf).to_numpy(float)
        middle = float(np.median(seconds))
        text = f"{middle:g} s" if np.isfinite(middle) else "censored"
        yield f"{text} ({int(np.isfinite(seconds).sum())} of {len(seconds)})"
    yield words(hierarchical([np.array([peak]) for peak in before["peak"]]), 1, " x", 2)


def _why(failures: "pd.DataFrame") -> str:
    """In words, what kept runs from coming back to their level."""
    by_run = failures.groupby(["seed", "policy", "budget_s"])
    before, last = by_run.first(), by_run.last()
    lost = before["recovery_s"].isna()
    title = _title(FAILURE, float(failures["size"].iloc[0]))
    if not lost.any():
        return f"{title}: all {len(lost)} runs came back to their level."
    more = last["pending"] > before["pending"]
    busy = last["busiest"][lost & ~more].mean()
    return (
        f"{title}: {int(lost.sum())} of {len(lost)} runs did not come back to their level. In "
        f"{int((lost & more).sum())} of them DAGs found no place any more on the nodes left; in "
        f"{int((lost & ~more).sum())} all that had a place have one again, but a worse one"
        + (f" (busiest station {busy:.0%})." if np.isfinite(busy) else ".")
    )


def figures(frame: "pd.DataFrame", config: Shocks) -> "Mapping[str, Figure]":
    """Violations over time for the largest failure and the largest burst, with the longest decision time."""
    from edgewright.emulation.experiments.drawing import legend, look, panels, style  # noqa: PLC0415

    here = frame[frame["budget_s"] == max(config.budgets)]
    with style():
        figure, axes = panels(2, width=5.2)
        for panel, (kind, sizes) in zip(
            axes, ((FAILURE, config.failures), (BURST, config.bursts)), strict=True
        ):
            rows = here[(here["kind"] == kind) & (here["size"] == max(sizes))]
            # A run that ended earlier stays at its last level.
            wide = rows.pivot_table(index="period", columns=["seed", "policy"], values="violation").ffill()
            for name in config.policies:
                mean = 100 * wide.xs(name, axis=1, level="policy").to_numpy(float).mean(axis=1)
                colour = look(name, config.policies)["color"]
                panel.step(wide.index * PERIOD, mean, where="post", label=name, linewidth=1.5, color=colour)
            panel.axhline(100 * SERVED, color="black", linewidth=0.8, linestyle=":")
            panel.set(xlabel="seconds since it began", ylim=(0, None))
            panel.set_title(_title(kind, max(sizes)))
        axes[0].set_ylabel(f"violations (%, dotted: {100 * SERVED:g})")
        legend(figure, axes[0])
        figure.suptitle(f"{max(config.budgets):g} s per decision, mean over seeds", x=0.01, ha="left")
    return {"resilience": figure}


EXPERIMENT = Experiment(
    name="resilience",
    title="Failures and bursts",
    source="[MAPPO] Fig. 7",
    question="How long until service is normal again after nodes fail, and how far does a burst throw it?",
    scales={
        Scale.SMALL: Shocks(
            seeds=2,
            failures=(0.05, 0.25),
            bursts=(2.0,),
            rate=100.0,
            nodes=24,
            regions=2,
            budgets=QUICK[1:],
            requests=3_000,
        ),
        Scale.PAPER: Shocks(seeds=10),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
    paper_hours=4,
)
