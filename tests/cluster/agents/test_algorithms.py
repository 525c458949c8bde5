"""Every algorithm that a resource may name decides in a running agent, or is refused there in words."""

from collections.abc import Callable
from typing import Any

import pytest

from edgewright.agents.policies import policies
from edgewright.agents.policy import LIBRARIES
from edgewright.kube import paths

Make = Callable[..., dict[str, Any]]


async def ask_for(region: Any, algorithm: str) -> None:
    path = paths.edge_controllers(region.namespace, "region")
    await region.api.patch(path, {"spec": {"algorithm": algorithm}})


async def test_each_places_a_dag_and_is_named_as_the_reason(region: Any, make: Make) -> None:
    await region.agent()
    for algorithm in sorted(policies.keys() - {"auto"}):
        await ask_for(region, algorithm)
        name = f"by-{algorithm}"
        await region.apply(make(name, "a", {"name": "b", "replicas": {"min": 2, "max": 2}}, "c"))
        reason = "PlacedBy" + "".join(word.capitalize() for word in algorithm.split("-"))
        dag = await region.reaches(name, "True", reason, seconds=180.0)  # the first decision compiles
        assert len(await region.all_bound(name, 4)) == 4
        assert dag["status"]["predicted"]["latencyMs"] > 0


@pytest.mark.parametrize("algorithm", sorted(LIBRARIES))
async def test_a_missing_library_is_told_and_the_heuristic_decides(
    region: Any, make: Make, wait_until: Any, algorithm: str
) -> None:
    """As in the agents' image, which has none of the optional libraries."""
    await region.agent(without=tuple(LIBRARIES.values()))
    await ask_for(region, algorithm)
    await region.apply(make("d", "a", "b"))
    dag = await region.reaches("d", "True", "PlacedByHeuristic", seconds=60.0)
    needed = f"{algorithm} needs the library {LIBRARIES[algorithm]}, which is not installed here"
    placed = next(c for c in dag["status"]["conditions"] if c["type"] == "Placed")
    assert f"Placed by heuristic instead: {needed}" in placed["message"]

    async def told() -> Any:
        status = (await region.api.get(paths.edge_controllers(region.namespace, "region")))["status"]
        assert status["algorithm"] == "heuristic"
        assert needed in status["algorithmReason"], status
        return status

    await wait_until("the EdgeController says so", told)
