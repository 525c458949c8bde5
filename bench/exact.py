"""Proves bounds of the committed instances: python -m bench.exact --seconds 60 [--only 0:50]."""

import csv
import time
from pathlib import Path
from typing import Annotated

import typer

from bench.instances import committed
from edgewright.agents.policies import create

FILE = Path(__file__).parent / "instances" / "exact-10x20.csv"
COLUMNS = ("seed", "sha256", "objective", "bound", "proven", "seconds")


def load() -> dict[int, tuple[float, float]]:
    """Seed to (best J known to `exact`, its proven bound), as last computed and committed."""
    with FILE.open(newline="") as file:
        return {
            int(row["seed"]): (float(row["objective"]), float(row["bound"])) for row in csv.DictReader(file)
        }


def main(
    seconds: Annotated[float, typer.Option(help="Time limit per instance.")] = 60.0,
    only: Annotated[str, typer.Option(help="Range of instances, such as 0:50.")] = "0:100",
) -> None:
    """Solve the instances one after the other; lines of other instances stay."""
    first, last = (int(end) for end in only.split(":"))
    rows: dict[int, dict[str, object]] = {}
    if FILE.exists():
        with FILE.open(newline="") as file:
            rows = {int(row["seed"]): dict(row) for row in csv.DictReader(file)}
    policy = create("exact")
    for instance in committed()[first:last]:
        began = time.process_time()
        decision = policy.place(instance.problem(), seconds=seconds)
        bound = decision.bound if decision.bound is not None else 0.0
        rows[instance.seed] = {
            "seed": instance.seed,
            "sha256": instance.sha256[:16],
            "objective": f"{decision.objective:.9g}",
            "bound": f"{bound:.9g}",
            "proven": int(bound >= decision.objective * (1 - 1e-6)),
            "seconds": f"{time.process_time() - began:.1f}",
        }
        print(*rows[instance.seed].values(), flush=True)
        with FILE.open("w", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[seed] for seed in sorted(rows))


if __name__ == "__main__":
    typer.run(main)
