"""Sites from any CSV: OpenCelliD's with and without its head, other columns, and everything that is wrong."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from edgewright.emulation import city, scenario, towers
from edgewright.emulation.fields import ScenarioError

HEAD = "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal"


def opencellid(count: int) -> str:
    rng = np.random.default_rng(1)
    return "\n".join(
        f"LTE,505,2,1,{i},0,{151.2 + 0.02 * x:.5f},{-33.87 + 0.02 * y:.5f},1000,5,1,0,0,0"
        for i, (x, y) in enumerate(rng.random((count, 2)))
    )


@pytest.mark.parametrize("head", [HEAD + "\n", ""])
def test_opencellid_with_and_without_its_head(tmp_path: Path, head: str) -> None:
    file = tmp_path / "cells.csv"
    file.write_text(head + opencellid(50) + "\n" + opencellid(50) + "\n")
    found = towers.positions(str(file))
    assert found.shape == (50, 2)
    assert np.allclose(found.mean(axis=0), (-33.86, 151.21), atol=0.01)


def test_compressed_files_and_bounds(tmp_path: Path) -> None:
    file = tmp_path / "cells.csv.gz"
    file.write_bytes(gzip.compress((HEAD + "\n" + opencellid(50)).encode()))
    bounds = (-33.87, 151.2, -33.86, 151.22)
    found = towers.positions(str(file), bounds=bounds)
    assert 5 < len(found) < 45
    assert (found[:, 0] <= -33.86).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column latitude or lat"),
        ("lat,lon\n", "has no position"),
        ("lat,lon\n-33,151\n-33,east\n", "row 3: no latitude and longitude"),
        ("lat,lon\nnan,151\n", "row 2: latitude nan"),
        ("lat,lon\n-33,1510\n", "row 2: latitude -33 and longitude 1510"),
        ("lat,lon\n-33\n", "row 2: no latitude"),
    ],
)
def test_what_is_no_position_is_named_by_row(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=words):
        towers.positions(str(file))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("image.csv", b"\x89PNG\r\n\xff\xfe"),
        ("image.csv.gz", b"no gzip at all"),
        ("cut.csv.gz", gzip.compress((HEAD + "\n" + opencellid(50)).encode())[:-200]),
    ],
)
def test_what_is_no_csv_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ScenarioError, match=rf"{name} cannot be read as a CSV"):
        towers.positions(str(file))


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_text("lat,lon\n-33.5,151.5\n", encoding="utf-8-sig")
    assert towers.positions(str(file)).tolist() == [[-33.5, 151.5]]


def test_columns_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_text("name,breite,laenge\na,-33.5,151.5\n")
    assert towers.positions(str(file), latitude="breite", longitude="laenge").tolist() == [[-33.5, 151.5]]


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(towers, "MOST_ROWS", 20)
    file = tmp_path / "cells.csv"
    file.write_text(HEAD + "\n" + opencellid(50))
    with pytest.raises(ScenarioError, match="more than 20 rows"):
        towers.positions(str(file))


def test_a_city_of_clustered_towers(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text(HEAD + "\n" + opencellid(2000))
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "base: metro\nname: mine\ndescription: towers\nregions: 3\n"
        "sites: {count: 40, choose: clustered, file: cells.csv}\n"
    )
    built = city.build(scenario.load(str(mine)))
    edge = [node for node in built.nodes if node.tier == "edge"]
    assert len(edge) == 40
    places = np.array([node.location for node in edge])
    apart = np.hypot(*(places[:, None] - places[None, :]).transpose(2, 0, 1))
    assert apart[apart > 0].min() > 50, "centres of clusters keep apart"
    assert len(built.users) == 816
    assert built == city.build(scenario.load(str(mine)))


def test_more_sites_than_the_file_has(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text(HEAD + "\n" + opencellid(10))
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "base: metro\nname: mine\ndescription: towers\nregions: 3\n"
        "sites: {count: 40, choose: clustered, file: cells.csv}\n"
    )
    with pytest.raises(ScenarioError, match="has 10 sites, 40 were asked for"):
        city.build(scenario.load(str(mine)))
