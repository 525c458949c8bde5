"""Packs one static program as a container image, without any container tool."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

USER = "65532:65532"
"""Who runs in every image of ours."""
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def pack(program: Path, name: str, machine: str, target: Path) -> None:
    """Write an OCI image archive to `target`: the image `name` runs `program` and holds nothing else."""
    layer = _tar({program.name: program.read_bytes()}, mode=0o755)
    architecture = MACHINES.get(machine, machine)
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"User": USER, "Entrypoint": [f"/{program.name}"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        }
    )
    described = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    described |= {
        "platform": {"os": "linux", "architecture": architecture},
        "annotations": {"io.containerd.image.name": name},
    }
    blobs = {f"blobs/sha256/{_digest(blob).partition(':')[2]}": blob for blob in (layer, config, manifest)}
    index = _json({"schemaVersion": 2, "manifests": [described]})
    target.write_bytes(
        _tar({"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index, **blobs})
    )


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _tar(files: Mapping[str, bytes], mode: int = 0o644) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
