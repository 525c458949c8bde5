"""What `edgewright explain --observation` shows of one DAG."""

import pytest
import typer
from tests.unit.agents.builders import DAG, pod, region_of

from edgewright.agents.region import Region
from edgewright.cli.observation import observed, show
from edgewright.cli.picture import Picture
from edgewright.core.observe import HEAD, NODE, SLOT, schema


def region(*granted: str) -> Region:
    made = region_of(*granted)
    for name, on in (("a-0", "n2"), ("b-0", "")):
        made.pod_changed(None, pod(name, on), 0.0)
    return made


def test_every_number_has_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    seen = region("n1", "n2")
    found = observed(Picture(seen, seen.dags[DAG], 0.0))
    assert found["schema"] == schema(2, 2)
    assert tuple(found["head"]) == HEAD
    assert [tuple(row) for row in found["nodes"]] == [("node", *NODE)] * 2
    assert [tuple(row) for row in found["slots"]] == [("microservice", *SLOT)] * 2
    assert [(row["microservice"], row["node"]) for row in found["slots"]] == [("a", 1.0), ("b", -1.0)]
    show(found)
    said = capsys.readouterr().out
    assert found["schema"] in said
    assert all(name in said for name in HEAD)
    assert [line.split()[0] for line in said.splitlines() if line.startswith("n")] == ["n1", "n2"]


def test_a_region_without_nodes_shows_nothing() -> None:
    seen = region()
    with pytest.raises(typer.BadParameter, match="no usable node"):
        observed(Picture(seen, seen.dags[DAG], 0.0))
