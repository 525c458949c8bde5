"""How the command line reads names and kubeconfigs, and what it says to nonsense."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgewright.cli.main import app
from edgewright.cli.target import Format, current_namespace, dag_name, dump
from edgewright.kube.conditions import Reason


@pytest.mark.parametrize("text", ["xr", "sdag/xr", "servicedag/xr", "servicedags.edgewright.dev/xr"])
def test_a_dag_is_named_as_kubectl_names_it(text: str) -> None:
    assert dag_name(text) == "xr"


@pytest.mark.parametrize(("text", "says"), [("pod/xr", "'pod'"), ("sdag/", "no name"), ("", "no name")])
def test_other_names_are_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(typer.BadParameter, match=says):
        dag_name(text)


def test_the_namespace_is_the_contexts_own(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "current-context: a\n"
        "contexts:\n"
        "- {name: a, context: {namespace: melbourne-1}}\n"
        "- {name: b, context: {}}\n"
    )
    assert current_namespace(str(config), None) == "melbourne-1"
    assert current_namespace(str(config), "b") == "default"
    assert current_namespace(str(tmp_path / "missing"), None) == "default"


def test_an_unreachable_cluster_is_one_line_not_a_traceback(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "current-context: a\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: a, user: {}}]\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
    )
    done = CliRunner().invoke(app, ["tree", "--kubeconfig", str(config)])
    assert done.exit_code == 1
    assert "error:" in done.output
    assert "Traceback" not in done.output


COMMANDS = (
    *("", "explain", "tree", "top", "top nodes", "why-pending", "simulate-node-loss", "doctor", "version"),
    *("demo", "testbed up", "agent", "operator"),
)


@pytest.mark.parametrize("command", [command.split() for command in COMMANDS])
def test_every_command_explains_itself(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_the_version_needs_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for arguments in (["version", "--client"], ["version"]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert done.output.startswith("edgewright ")
    done = CliRunner().invoke(app, ["version", "--kubeconfig", str(tmp_path / "missing")])
    assert done.exit_code == 1
    assert "no such file" in done.output


def test_what_is_printed_as_yaml_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    dump([{"reason": Reason.NO_NODES, "pods": ("a",)}], Format.YAML)
    assert capsys.readouterr().out == "- reason: NoNodes\n  pods:\n  - a\n"


def test_kubectl_completes_commands_and_options() -> None:
    """kubectl runs `kubectl_complete-edgewright` with the words so far and wants a directive last."""
    program = Path(sys.executable).with_name("kubectl_complete-edgewright")
    for words, expected in ((["why"], "why-pending"), (["top", "--wa"], "--watch")):
        done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
        lines = done.stdout.split()
        assert expected in lines
        assert lines[-1] == ":4"
