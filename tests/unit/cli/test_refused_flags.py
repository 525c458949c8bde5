"""Flags of operator and agent that make no sense are refused at the start, in words, without a traceback."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgewright.cli.main import app
from edgewright.operator.settings import prometheus_url

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: n}}]
current-context: c
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["operator", "--listen", "8080"], "--listen '8080' is not an address: give HOST:PORT"),
        (["agent", "--listen", ":8080"], "--listen ':8080' is not an address: give HOST:PORT"),
        (["operator", "--prometheus", "prometheus:9090"], "--prometheus 'prometheus:9090' is not a base URL"),
        (["operator", "--prometheus", "http://u:secret@p:9090"], "--prometheus holds credentials"),
        (["operator", "--prometheus", "u:secret@p"], "--prometheus holds credentials"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    done = CliRunner().invoke(app, [*arguments, "--kubeconfig", str(kubeconfig)])
    assert done.exit_code == 1
    assert f"error: {words}" in done.output
    assert "secret" not in done.output


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "http://x:0", "http://x:y", "http://x/?q=1", "http://[::1"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        prometheus_url(url)


def test_a_path_is_kept_and_a_slash_at_the_end_is_not() -> None:
    assert prometheus_url("https://mimir.example/prometheus/") == "https://mimir.example/prometheus"
