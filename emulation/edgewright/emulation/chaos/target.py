"""Which cluster is to suffer, and whether it may: a testbed of this machine, or one named as production."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgewright.emulation import testbed
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import World
from edgewright.emulation.chaos.ledger import Ledger
from edgewright.emulation.testbed import Testbed
from edgewright.emulation.testbed.layout import DEFAULT_NAME, state_home
from edgewright.kube.api import Api

TESTBED, KUBECONFIG, CONTEXT, PRODUCTION = (
    "edgewright_testbed",
    "edgewright_kubeconfig",
    "edgewright_context",
    "edgewright_yes_this_is_production",
)
"""Keys of an experiment's configuration by which every action and probe finds its cluster."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster that may be broken."""

    kubeconfig: str
    context: str | None
    bed: Testbed | None

    @property
    def name(self) -> str:
        """For people."""
        if self.bed is not None:
            return f"testbed {self.bed.name}"
        return f"context {self.context}" if self.context else self.kubeconfig

    @property
    def configuration(self) -> dict[str, Any]:
        """What an experiment's configuration must hold so that `of` finds this cluster again."""
        if self.bed is not None:
            return {TESTBED: self.bed.name}
        return {KUBECONFIG: self.kubeconfig, CONTEXT: self.context or "", PRODUCTION: True}

    @property
    def ledger(self) -> Ledger:
        """What was injected there; a testbed takes its own along when it goes."""
        if self.bed is not None:
            return Ledger(self.bed.layout.root / "chaos")
        server, authority = _cluster(self.kubeconfig, self.context)
        digest = hashlib.sha256(server.encode() + authority).hexdigest()[:16]
        return Ledger(state_home() / ".chaos" / digest)

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """A connection to it."""
        async with await Api.connect(self.kubeconfig, self.context) as api:
            yield World(api, self.bed)


def of(configuration: Mapping[str, Any] | None) -> Target:
    """The cluster that a configuration names; else that of KUBECONFIG, or the default testbed."""
    given = configuration or {}
    return find(
        given.get(TESTBED) or None,
        given.get(KUBECONFIG) or os.environ.get("KUBECONFIG"),
        given.get(CONTEXT) or None,
        production=given.get(PRODUCTION) is True,
    )


def find(name: str | None, kubeconfig: str | None, context: str | None, *, production: bool) -> Target:
    """The testbed `name`, or the cluster of a kubeconfig, or the default testbed.

    Raises ChaosError for a cluster that is no testbed of this machine unless it is named as `production`, and
    TestbedError for a testbed that does not exist.
    """
    if name is not None:
        return _of_testbed(testbed.load(name))
    if kubeconfig is None and context is None:
        if DEFAULT_NAME not in testbed.names():
            raise ChaosError(
                "which cluster? Name a testbed with --name (`edgewright testbed up` makes one), or give "
                "--kubeconfig"
            )
        return _of_testbed(testbed.load(DEFAULT_NAME))
    path = kubeconfig or str(Path.home() / ".kube" / "config")
    cluster = _cluster(path, context)
    for each in testbed.names():
        bed = testbed.load(each)
        if bed.kubeconfig.exists() and _cluster(str(bed.kubeconfig), None) == cluster:
            return _of_testbed(bed)
    if not production:
        raise ChaosError(
            f"{cluster[0]} is no testbed of this machine: to break it on purpose, add "
            "--yes-this-is-production"
        )
    return Target(path, context, None)


def _of_testbed(bed: Testbed) -> Target:
    if bed.state.phase != "ready":
        raise ChaosError(f"testbed {bed.name!r} is not up: it is {bed.state.phase}")
    return Target(str(bed.kubeconfig), None, bed)


def _cluster(path: str, context: str | None) -> tuple[str, bytes]:
    """Address and certificate authority of a context: no two clusters share both."""
    try:
        config = yaml.safe_load(Path(path).expanduser().read_text())
        contexts = {entry["name"]: entry["context"] for entry in config["contexts"]}
        clusters = {entry["name"]: entry["cluster"] for entry in config["clusters"]}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ChaosError(f"kubeconfig {path} cannot be read: {error}") from None
    wanted = context or config.get("current-context")
    if wanted not in contexts:
        raise ChaosError(
            f"kubeconfig {path} has no context {wanted!r}; it has {', '.join(contexts) or 'none'}"
        )
    cluster = clusters.get(contexts[wanted].get("cluster"), {})
    return str(cluster.get("server", "")), _authority(cluster, Path(path).expanduser().parent)


def _authority(cluster: Mapping[str, Any], folder: Path) -> bytes:
    data, file = cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
    if data:
        return base64.b64decode(data)
    # A relative path means relative to the kubeconfig.
    return (folder / file).read_bytes().strip() if file and (folder / file).exists() else b""
