"""Names of testbeds, their folders, and the lock on a name."""

from pathlib import Path

import pytest

from edgewright.emulation import testbed
from edgewright.emulation.testbed import Layout, TestbedError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["edgewright", "a", "ci-1", "0", "a" * 40])
def test_good_names(name: str, tmp_path: Path) -> None:
    assert Layout(name).root == tmp_path / "edgewright" / name


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a_b", "a/b", "..", "a" * 41, "ü", "a b"])
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(TestbedError, match="1 to 40 lower-case letters"):
        Layout(name)


def test_two_commands_on_one_name_do_not_interleave() -> None:
    layout = Layout("mine")
    with (
        layout.locked(),
        pytest.raises(TestbedError, match="another command is bringing testbed 'mine'"),
        layout.locked(),
    ):
        pass
    with layout.locked(), Layout("other").locked():
        pass


def test_what_does_not_exist_says_how_to_make_it() -> None:
    with pytest.raises(TestbedError, match="testbed up --name mine"):
        testbed.load("mine")
    assert testbed.names() == []
    assert testbed.down("mine") is False


def test_edge_heartbeats_are_refused_for_more_nodes_than_the_machine_can_renew() -> None:
    options = testbed.Options(scenario="melbourne", nodes=4000, heartbeat="edge", bare=True)
    with pytest.raises(TestbedError, match=r"4000 nodes with edge heartbeats.*--heartbeat production"):
        testbed.up("mine", options=options)
    assert not Layout("mine").root.exists()
