"""An experiment's results are whole, resumable, the same to the byte, and never mixed with other ones."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgewright.emulation.experiments import Config, Experiment, ExperimentError, Scale, experiments, find
from edgewright.emulation.experiments import folder as folders
from edgewright.emulation.experiments.engine import conduct, publish
from edgewright.emulation.experiments.experiment import HELD_OUT, unit_name
from edgewright.emulation.experiments.page import report


def _toy() -> Any:
    path = Path(__file__).with_name("toy.py")
    spec = importlib.util.spec_from_file_location("toy", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules["toy"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOY: Experiment[Any, Any] = _toy().TOY
SMALL: Config = TOY.scales[Scale.SMALL]


class StoppedError(Exception):
    """What a test interrupts with."""


def finish(path: Path, experiment: Experiment[Any, Any] = TOY, config: Config = SMALL, **how: Any) -> None:
    publish(experiment, config, conduct(experiment, Scale.SMALL, config, path, **how), path)


def content(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def test_interrupted_and_resumed_gives_the_same_bytes(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        finish(tmp_path / "resumed", watch=interrupt)
    assert 0 < len(list((tmp_path / "resumed/units").iterdir())) < 9
    told: list[int] = []
    finish(tmp_path / "resumed", watch=lambda done, total: told.append(done))
    finish(tmp_path / "whole")
    assert told[0] == 4, "what was done is not done again"
    assert content(tmp_path / "resumed") == content(tmp_path / "whole")
    assert {"rows.csv", "rows.parquet", "table.md", "tosses.png", "tosses.svg"} <= set(
        content(tmp_path / "whole")
    )


def test_rows_are_tidy_and_csv_and_parquet_agree(tmp_path: Path) -> None:
    finish(tmp_path)
    table, columns = pd.read_csv(tmp_path / "rows.csv"), ["seed", "coin", "toss", "value", "none"]
    assert list(table) == columns
    assert len(table) == 3 * 3 * 3
    assert table["seed"].min() == HELD_OUT
    pd.testing.assert_frame_equal(table[columns[:4]], pd.read_parquet(tmp_path / "rows.parquet")[columns[:4]])


def test_another_config_is_refused_by_name(tmp_path: Path) -> None:
    finish(tmp_path)
    with pytest.raises(ExperimentError, match=r"config\.seeds is 3, now 5.*--out"):
        finish(tmp_path, config=SMALL.over(5))


def test_results_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(tmp_path)
    monkeypatch.setattr(
        folders,
        "versions",
        lambda: {**json.loads(folders.Folder(tmp_path).manifest.read_text())["versions"], "numpy": "1.0"},
    )
    with pytest.raises(ExperimentError, match=r"versions\.numpy is .*, now \"1\.0\""):
        finish(tmp_path)


@pytest.mark.parametrize("manifest", ["", "[]", '{"format": 99}'])
def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    if manifest:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ExperimentError, match="--out"):
        finish(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExperimentError, match=r"file/toy cannot be written: Not a directory.*--out"):
        finish(tmp_path / "file/toy")
    with pytest.raises(ExperimentError, match=r"file cannot be written.*--out"):
        finish(tmp_path / "file")


def test_a_run_stopped_before_its_first_unit_goes_on(tmp_path: Path) -> None:
    finish(tmp_path / "whole")
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped/manifest.json").write_bytes((tmp_path / "whole/manifest.json").read_bytes())
    finish(tmp_path / "stopped")
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")


def test_a_damaged_unit_is_named(tmp_path: Path) -> None:
    finish(tmp_path)
    victim = sorted((tmp_path / "units").iterdir())[2]
    victim.write_text(victim.read_text()[:40])
    with pytest.raises(ExperimentError, match=f"{victim.name} is damaged.*delete it"):
        finish(tmp_path)


def test_a_unit_that_fails_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentError, match=rf"toy, unit seed={HELD_OUT}\.coin=1: ZeroDivisionError: the coin"
    ):
        finish(tmp_path, config=replace(SMALL, fails=1))  # type: ignore[call-arg]
    assert len(list((tmp_path / "units").iterdir())) == 1


def test_units_of_the_same_name_are_refused(tmp_path: Path) -> None:
    twice = replace(TOY, units=lambda config: [*TOY.units(config), *TOY.units(config)])
    with pytest.raises(ExperimentError, match="same name"):
        finish(tmp_path, experiment=twice)


@pytest.mark.parametrize(
    ("seeds", "policies", "words"), [(0, (), "1 to 1000"), (2, ("random",), "no policy takes part")]
)
def test_options_that_mean_nothing_are_refused(seeds: int, policies: tuple[str, ...], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        SMALL.over(seeds, policies)


@pytest.mark.parametrize("elsewhere", [{"jobs": 2}, {"ray": "local"}], ids=["processes", "ray"])
def test_others_compute_what_one_process_would(tmp_path: Path, elsewhere: dict[str, Any]) -> None:
    experiment = find("optimality-gap")
    config = replace(
        experiment.scales[Scale.SMALL].over(2, ("random", "best-fit")),
        sizes=((4, 8),),
        instances=1,
        reference=0.5,
    )
    finish(tmp_path / "serial", experiment, config)
    finish(tmp_path / "parallel", experiment, config, **elsewhere)
    serial, parallel = content(tmp_path / "serial"), content(tmp_path / "parallel")
    assert serial["rows.csv"] == parallel["rows.csv"]
    assert serial["rows.parquet"] == parallel["rows.parquet"]


def test_a_ray_cluster_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"--ray 127\.0\.0\.1:1: no Ray cluster answers there"):
        finish(tmp_path, ray="127.0.0.1:1")


def test_jobs_must_be_some(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="--jobs is 0"):
        finish(tmp_path, jobs=0)


def test_what_cannot_be_compared_is_marked_in_table_and_page(tmp_path: Path) -> None:
    finish(tmp_path / "toy-small")
    assert "165 % (not comparable)" in (tmp_path / "toy-small/table.md").read_text()
    page = report(tmp_path).read_text()
    assert '<td class="incomparable">165 % (not comparable)</td>' in page
    assert "Is &lt;it&gt; fair?" in page
    assert "http://" not in page and "https://" not in page, "the page needs no other"
    assert page.count("data:image/svg+xml;base64,") == 1


def test_a_damaged_table_is_named_on_the_way_to_a_page(tmp_path: Path) -> None:
    finish(tmp_path / "toy-small")
    (tmp_path / "toy-small/table.json").write_text('{"columns": [')
    with pytest.raises(ExperimentError, match=r"toy-small/table\.json is damaged"):
        report(tmp_path)


def test_a_page_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="no finished experiment"):
        report(tmp_path)
    with pytest.raises(ExperimentError, match="no folder"):
        report(tmp_path / "nowhere")


def test_an_unknown_experiment_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ExperimentError, match="optimality-gap"):
        find("optimality")


@pytest.mark.parametrize("name", sorted(experiments))
@pytest.mark.parametrize("scale", list(Scale))
def test_every_experiment_has_units_with_names_for_files(name: str, scale: Scale) -> None:
    experiment = experiments[name]
    names = [unit_name(unit) for unit in experiment.units(experiment.scales[scale])]
    assert len(set(names)) == len(names) > 0
    assert all("/" not in each and len(each) < 200 for each in names)
