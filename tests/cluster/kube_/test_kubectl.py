"""What a person sees of our kinds through plain kubectl."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgewright.emulation.testbed import Testbed, binaries
from edgewright.kube import manifests, paths
from edgewright.kube.api import Api


@pytest.fixture
def kubectl(cluster: Testbed) -> Any:
    """Runs kubectl with the administrator's kubeconfig and returns what it prints; fails if it fails."""
    program = binaries.resolve()["kubectl"]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(program), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


SAMPLE = "xr-content-delivery"


def sample(name: str) -> str:
    return str(manifests.folder() / "samples" / f"{name}.yaml")


async def test_columns_show_what_matters(kubectl: Any, api: Api, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", sample(SAMPLE))
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Available",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {
        "conditions": [condition],
        "summary": {"ready": "Available", "placed": "5/5", "latency": "11.6/20 ms", "nodes": "edge-1 +2"},
        "plan": {"source": "none", "trust": 0},
    }
    path = paths.service_dags(namespace, SAMPLE, "status")
    await api.patch(path, {"status": status})
    header, row = kubectl("get", "sdag", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "PLACED", "LATENCY", "PLAN", "AGE"]
    assert row.startswith(SAMPLE)
    assert row.split()[1:7] == ["True", "Available", "5/5", "11.6/20", "ms", "none"]
    wide = kubectl("get", "sdag", "-n", namespace, "-o", "wide").splitlines()
    assert wide[0].split()[-2:] == ["NODES", "TRUST"]
    assert wide[1].split()[-3:] == ["edge-1", "+2", "0"]


@pytest.mark.parametrize(
    ("short", "kind"),
    [
        ("sdag", "servicedags"),
        ("ec", "edgecontrollers"),
        ("etopo", "edgetopologies"),
        ("nload", "nodeloads"),
    ],
)
def test_kinds_answer_to_their_short_names(kubectl: Any, short: str, kind: str) -> None:
    assert kind in kubectl("api-resources", "--api-group=edgewright.dev")
    kubectl("get", short)


def test_all_kinds_are_one_category(kubectl: Any, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", sample(SAMPLE))
    assert f"servicedag.edgewright.dev/{SAMPLE}" in kubectl("get", "edgewright", "-n", namespace)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("sdag", "placed as a whole on the edge nodes of a region"),
        ("sdag.spec.qos.maxLatencyMs", "Largest latency at percentile, in milliseconds"),
        ("sdag.spec.microservices.resources.memory", "512Mi"),
        ("sdag.status.unplaced.constraint", "The constraint that failed"),
        ("ec.spec.shared.fraction", "Part of the capacity"),
        ("etopo.spec.links.delayMs", "milliseconds"),
        ("nload.spec.nodes.requests.cpu", "Cores"),
    ],
)
def test_explain_says_what_a_field_means(kubectl: Any, field: str, said: str) -> None:
    assert said in " ".join(kubectl("explain", field).split())


def test_one_command_installs_everything(kubectl: Any) -> None:
    for how in (["--server-side", "--force-conflicts"], []):
        said = kubectl("apply", *how, "--dry-run=server", "-k", str(manifests.folder()))
        for made in ("servicedags.edgewright.dev", "clusterrole", "validatingadmissionpolicy"):
            assert made in said


def test_the_region_of_the_samples_can_be_applied(kubectl: Any, namespace: str, tmp_path: Path) -> None:
    text = Path(sample("region")).read_text().replace("metro-1", namespace)
    (tmp_path / "region.yaml").write_text(text)
    kubectl("apply", "-f", str(tmp_path / "region.yaml"))
    made = json.loads(kubectl("get", "ec", namespace, "-n", namespace, "-o", "json"))
    assert made["spec"]["nodeSelector"] == {"edgewright.dev/region": namespace}
    kubectl("delete", "ec", namespace, "-n", namespace)


def test_editing_and_patching_work_on_single_microservices(kubectl: Any, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", sample(SAMPLE))
    patch = [{"op": "replace", "path": "/spec/microservices/0/image", "value": "other:2"}]
    kubectl("patch", "sdag", SAMPLE, "-n", namespace, "--type=json", "-p", json.dumps(patch))
    body = json.loads(kubectl("get", "sdag", SAMPLE, "-n", namespace, "-o", "json"))
    assert body["spec"]["microservices"][0]["image"] == "other:2"
    assert body["metadata"]["generation"] == 2
