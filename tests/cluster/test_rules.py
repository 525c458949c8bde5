"""The chart's rules and what the docs tell an existing Prometheus, as promtool judges them."""

import re
import subprocess
from pathlib import Path

import yaml

from edgewright.emulation.testbed import binaries

ROOT = Path(__file__).parents[2]


def promtool(*arguments: str) -> None:
    program = binaries.resolve(components=[binaries.PROMETHEUS])["promtool"]
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_do_as_their_tests_say() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", "charts/edgewright/files/rules.yaml")
    promtool("test", "rules", "tests/rules/rules_test.yaml")


def test_what_the_docs_tell_an_existing_prometheus_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/use-an-existing-prometheus.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block)
        promtool("check", "rules" if block.startswith("groups:") else "config", str(file))


def test_every_alert_has_a_test() -> None:
    rules = yaml.safe_load((ROOT / "charts/edgewright/files/rules.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    tested = (ROOT / "tests/rules/rules_test.yaml").read_text()
    assert not {alert for alert in alerts if f'alertname="{alert}", alertstate="firing"' not in tested}
