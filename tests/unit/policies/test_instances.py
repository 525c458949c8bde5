"""The committed instances: unchanged, and within the law that makes gaps comparable."""

import json
from pathlib import Path

import pytest

from edgewright.emulation.instances import digest, law, make_problem

FILE = Path(__file__).parents[3] / "bench" / "instances" / "10x20.json"
INSTANCES: list[tuple[int, str]] = [(seed, sha) for seed, sha in json.loads(FILE.read_text())["instances"]]


def test_there_are_a_hundred_different_ones() -> None:
    assert len({sha for _, sha in INSTANCES}) == 100


@pytest.mark.parametrize(("seed", "sha256"), INSTANCES)
def test_an_instance_is_what_was_committed(seed: int, sha256: str) -> None:
    problem = make_problem(seed, stages=10, nodes=20)
    assert digest(problem) == sha256
    assert law(problem).holds
