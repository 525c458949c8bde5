"""Client certificates of the kubelet and kube-proxy, signed by the testbed's own authority."""

import subprocess
from pathlib import Path

import yaml

from edgewright.emulation.testbed.containers.plan import NODE, Plan
from edgewright.emulation.testbed.errors import TestbedError

USERS = {"kubelet": f"/O=system:nodes/CN=system:node:{NODE}", "kube-proxy": "/CN=system:kube-proxy"}
"""Who the programs are to the API server, which gives these names their rights by itself."""
DAYS = 365


def write(plan: Plan) -> None:
    """Write key, certificate and kubeconfig of each program; TestbedError if openssl refuses."""
    authority = plan.layout.cluster / "pki" / "ca.crt"
    for user, subject in USERS.items():
        target = plan.files.kubeconfig(user)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, certificate = target.with_suffix(".key"), target.with_suffix(".crt")
        _sign(authority, subject, key, certificate)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "testbed",
                    "cluster": {"server": plan.server, "certificate-authority": str(authority)},
                }
            ],
            "users": [
                {"name": user, "user": {"client-certificate": str(certificate), "client-key": str(key)}}
            ],
            "contexts": [{"name": user, "context": {"cluster": "testbed", "user": user}}],
            "current-context": user,
        }
        target.write_text(yaml.safe_dump(config))


def _sign(authority: Path, subject: str, key: Path, certificate: Path) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    request = _openssl("req", "-new", *curve, "-keyout", str(key), "-subj", subject)
    key.chmod(0o600)
    signer = ["-CA", str(authority), "-CAkey", str(authority.with_suffix(".key"))]
    certificate.write_text(
        _openssl("x509", "-req", *signer, "-CAcreateserial", "-days", str(DAYS), given=request)
    )


def _openssl(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TestbedError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
