"""The scenario files, their variables, and what a command line refuses before anything happens."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from edgewright.cli.main import app
from edgewright.emulation.chaos import actions, scenario, target
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault
from edgewright.emulation.chaos.ledger import Ledger

WANTED = {
    "node-loss",
    "node-drain",
    "node-delete",
    "zone-loss",
    "flapping-node",
    "slow-node",
    "link-degraded",
    "traffic-burst",
    "flash-crowd",
    "agent-killed",
    "operator-killed",
    "prometheus-killed",
    "api-server-restarted",
    "etcd-restarted",
    "agent-partitioned",
    "watch-delayed",
    "mappo-fig7",
}


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["chaos", *arguments])
    assert done.exit_code == 1, done.output
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return str(lines[0])


def test_every_scenario_is_there() -> None:
    assert set(scenario.names()) >= WANTED


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_scenario_is_a_sound_experiment_that_heals_what_it_injects(name: str) -> None:
    found = scenario.load(name)
    assert found["steady-state-hypothesis"]["probes"]
    assert any(each["provider"]["func"] == "heal" for each in found["rollbacks"])
    used = json.dumps(found["method"])
    for variable in found["configuration"]:
        assert f"${{{variable}}}" in used, f"{variable} is offered and not used"


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_scenario_for_testbeds_says_so(name: str) -> None:
    """Those that cut nodes or connections, or kill what only a testbed can start again."""
    text = (scenario.FOLDER / f"{name}.yaml").read_text()
    only = (
        "cut_nodes",
        "flap_nodes",
        "route_agents",
        "process: kube-apiserver",
        "process: etcd",
        "process: prometheus",
    )
    assert any(word in text for word in only) == ("testbed" in scenario.load(name)["tags"])


def test_every_action_is_described() -> None:
    named = {
        name: each for name, each in vars(actions).items() if isinstance(getattr(each, "fault", None), Fault)
    }
    assert len(named) == len(actions.FAULTS)
    assert all(each.__doc__ for each in named.values())


def test_variables_are_overridden_in_the_kind_of_their_default() -> None:
    found = scenario.load("node-loss")
    scenario.set_variables(found, ["percent=5", "nodes=edge-1,edge-2", "recover_seconds=2.5"])
    configuration = found["configuration"]
    assert (configuration["percent"], configuration["nodes"]) == (5, "edge-1,edge-2")
    assert configuration["recover_seconds"] == 2.5


@pytest.mark.parametrize(
    "pair", ["percnt=5", "percent", "percent=much", "percent=true", "percent=[1]", "percent="]
)
def test_a_wrong_variable_is_refused(pair: str) -> None:
    message = refused("run", "node-loss", "--set", pair, "--name", "none")
    assert f"--set {pair}" in message


def test_an_unknown_scenario_is_refused() -> None:
    assert "no scenario 'node-lost'" in refused("run", "node-lost", "--name", "none")


@pytest.mark.parametrize(
    "text",
    [
        "title: x",
        "[]",
        "{",
        "{title: x, description: y, method: [{type: action, name: z, provider: {type: python, "
        "module: edgewright.emulation.chaos.actions, func: cut_nodes, arguments: {percnt: 5}}}]}",
    ],
)
def test_a_file_that_is_no_experiment_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert str(file) in refused("run", str(file), "--name", "none")


def test_an_unknown_testbed_is_refused() -> None:
    assert "no testbed 'none'" in refused("run", "node-loss", "--name", "none")
    assert "which cluster?" in refused("run", "node-loss")


def kubeconfig(folder: Path) -> Path:
    file = folder / "kubeconfig"
    config: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "https://prod.example:6443"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "prod",
    }
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_cluster_that_is_no_testbed_is_refused_without_the_word(tmp_path: Path) -> None:
    file = str(kubeconfig(tmp_path))
    message = refused("run", "node-drain", "--kubeconfig", file)
    assert "https://prod.example:6443" in message
    assert "--yes-this-is-production" in message
    with pytest.raises(ChaosError, match="yes-this-is-production"):
        target.of({target.KUBECONFIG: file})
    assert target.of({target.KUBECONFIG: file, target.PRODUCTION: True}).bed is None


def test_an_unknown_context_is_refused(tmp_path: Path) -> None:
    file = str(kubeconfig(tmp_path))
    message = refused(
        "run", "node-drain", "--kubeconfig", file, "--context", "test", "--yes-this-is-production"
    )
    assert "no context 'test'; it has prod" in message


def test_a_journal_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "journal.json"
    file.write_text("{}")
    assert "no recording" in refused("report", str(file))
    file.write_text('{"edgewright": {"recording": {"samples": 1}}}')
    assert "cannot be read" in refused("report", str(file))
    assert "cannot be read" in refused("report", str(tmp_path / "missing.json"))


def test_the_ledger_remembers_what_is_not_healed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "chaos")
    first = ledger.begin("node-cut", {"what": "one", "nodes": ["a"]})
    ledger.begin("node-slow", {"what": "two"})
    again = Ledger(tmp_path / "chaos")
    assert [entry.plan["what"] for entry in again.entries()] == ["one", "two"]
    again.end(first)
    again.end(first)
    assert [entry.fault for entry in ledger.entries()] == ["node-slow"]


def test_two_runs_at_a_time_are_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "chaos")
    with ledger.locked(), pytest.raises(ChaosError, match="another chaos run"), ledger.locked():
        pass
    with ledger.locked():
        pass
