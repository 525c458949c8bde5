"""What of a DAG's status is news, how urgent it is, and when it need not be made again."""

from typing import Any

import pytest

from edgewright.agents.binding import Target, one_per_node
from edgewright.agents.region import Region
from edgewright.agents.report import News, news


def status(
    reason: str = "PlacedByHeuristic", node: str = "n0", p95: float = 10.0, **more: Any
) -> dict[str, Any]:
    return {
        "conditions": [{"type": "Placed", "status": "True", "reason": reason, "message": ""}],
        "placements": [{"microservice": "a", "replica": 0, "node": node}],
        "predicted": {"p95Ms": p95},
        "summary": {"placed": "1/1", "latency": f"{p95:.3g} ms"},
        **more,
    }


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, status(), News.TURN),
        (status(), status(), News.NONE),
        (status(), status(p95=10.4), News.NONE),
        (status(), status(p95=11.0), News.DRIFT),
        (status(), status(node="n1"), News.MOVE),
        (status(), status(predicted={}), News.MOVE),
        (status(), status("NodeLost"), News.TURN),
        (status("NodeLost"), status("Rebinding"), News.MOVE),
        (status("Rebinding"), status(), News.TURN),
    ],
)
def test_what_is_news(before: dict[str, Any] | None, after: dict[str, Any], expected: News) -> None:
    assert news(before, after) is expected


def test_a_revision_stands_until_something_that_predictions_depend_on_changes() -> None:
    region = Region(("region", "ec"), 0.0)
    first = region.revision(1.0)
    assert region.revision(2.0) == first
    region.close_nodes(frozenset({"n0"}))
    second = region.revision(2.0)
    assert second != first
    region.load_changed("chunk", None, 2.0)
    assert region.revision(2.0) == second
    assert region.revision(60.0) != second, "foreign load became stale"


def test_one_binding_stands_for_its_node_in_a_dry_run() -> None:
    targets = [Target("region", name, name, node) for name, node in (("a", "n0"), ("b", "n1"), ("c", "n0"))]
    assert {target.name for target in one_per_node(targets)} == {"a", "b"}
