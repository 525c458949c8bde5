"""Runs the operator and the agents as local processes, each with the token of its own ServiceAccount."""

import asyncio
import base64
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from edgewright.emulation.testbed import processes, prometheus
from edgewright.emulation.testbed.cluster import load
from edgewright.emulation.testbed.control_plane import tail
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import Layout
from edgewright.emulation.testbed.ports import Ports
from edgewright.emulation.testbed.processes import Process
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

OPERATOR, AGENTS = "operator", "agents"
TOKEN_SECONDS = 7 * 24 * 3600
"""A testbed older than a week is brought up anew."""
OBSERVATION = ("--observation-interval", "5", "--observation-window", "30")
"""In a testbed people want to see what they did; its Prometheus scrapes every two seconds."""
START_SECONDS = 300.0
"""The first start of an agent compiles the latency model, which takes a minute on a busy machine."""


async def start_operator(api: Api, layout: Layout) -> Process:
    """Start the operator under `edgewright-system/edgewright-operator`."""
    user = (names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
    kubeconfig = layout.kubeconfigs / OPERATOR
    await write_kubeconfig(api, layout, kubeconfig, {OPERATOR: user})
    state = load(layout.name).state
    ports = Ports(**state.ports)
    command = ["operator", "--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{ports.operator}"]
    if state.prometheus:
        command += ["--prometheus", prometheus.address(ports), *OBSERVATION]
    return spawn(layout, OPERATOR, command)


async def start_agents(
    api: Api, layout: Layout, regions: Sequence[str], *, server: str | None = None
) -> Process:
    """Start one agent process for all regions, each under its own ServiceAccount, made by the operator.

    `server` is where it finds the API server, if not at its own address.
    """
    kubeconfig = layout.kubeconfigs / AGENTS
    accounts = {region: (region, names.AGENT_ACCOUNT) for region in regions}
    for region in regions:
        there = partial(_exists, api, paths.serviceaccounts(region, names.AGENT_ACCOUNT))
        await wait_for(layout, f"ServiceAccount {region}/{names.AGENT_ACCOUNT}", there, needs=(OPERATOR,))
    await write_kubeconfig(api, layout, kubeconfig, accounts, server=server)
    ports = Ports(**load(layout.name).state.ports)
    command = ["agent", "--all", "--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{ports.agents}"]
    return spawn(layout, AGENTS, command)


async def wait_until_ready(api: Api, layout: Layout, regions: Sequence[str]) -> None:
    """Wait until the operator leads and finds every region's agent at work; TestbedError if it does not."""
    led = partial(_held, api, names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR)
    await wait_for(layout, "the operator's Lease", led, needs=(OPERATOR,))
    for region in regions:
        ready = partial(_region_ready, api, region)
        what = f"EdgeController {region}/{region} to be Ready"
        await wait_for(layout, what, ready, needs=(OPERATOR, AGENTS))


async def write_kubeconfig(
    api: Api,
    layout: Layout,
    target: Path,
    accounts: Mapping[str, tuple[str, str]],
    *,
    server: str | None = None,
) -> None:
    """Write a kubeconfig with a context for each account (namespace, name), its token in it."""
    authority = base64.b64encode((layout.cluster / "pki" / "ca.crt").read_bytes()).decode()
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    tokens = {}
    for context, (namespace, account) in accounts.items():
        answer = await api.create(paths.serviceaccounts(namespace, account, "token"), request)
        tokens[context] = answer["status"]["token"]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": layout.name,
                "cluster": {"server": server or api.server, "certificate-authority-data": authority},
            }
        ],
        "users": [{"name": context, "user": {"token": token}} for context, token in tokens.items()],
        "contexts": [
            {
                "name": context,
                "context": {"cluster": layout.name, "user": context, "namespace": accounts[context][0]},
            }
            for context in tokens
        ],
        "current-context": next(iter(tokens)),
    }
    _write_secret(target, yaml.safe_dump(config))


def _write_secret(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(text)


def spawn(layout: Layout, name: str, arguments: Sequence[str]) -> Process:
    """Start a command of ours as the process `name` of the testbed."""
    command = [sys.executable, "-m", "edgewright.cli.main", *arguments]
    # One thread for linear algebra: these processes share few cores with a whole control plane.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return processes.spawn(name, command, log=layout.logs / f"{name}.log", pids=layout.pids, env=environment)


async def wait_for(
    layout: Layout, what: str, done: Callable[[], Awaitable[bool]], *, needs: Sequence[str]
) -> None:
    """Wait for something that `needs`, processes, bring about; TestbedError with a log's end if they do not.

    The log is that of the process that ended; if time ran out, of the last named.
    """
    deadline = time.monotonic() + START_SECONDS
    while not await done():
        alive = {process.name for process in processes.recorded(layout.pids) if process.alive}
        ended = [name for name in needs if name not in alive]
        if ended or time.monotonic() > deadline:
            why = f"the {ended[0]} ended" if ended else f"{START_SECONDS:.0f} s passed"
            log = layout.logs / f"{[*needs, *ended][-1]}.log"
            raise TestbedError(f"waited for {what}, but {why}:\n{tail(log)}")
        await asyncio.sleep(0.1)


async def _get(api: Api, path: str) -> dict[str, Any] | None:
    try:
        return await api.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
        return None


async def _exists(api: Api, path: str) -> bool:
    return await _get(api, path) is not None


async def _held(api: Api, namespace: str, name: str) -> bool:
    lease = await _get(api, paths.leases(namespace, name))
    return bool(lease and lease["spec"].get("holderIdentity"))


async def _region_ready(api: Api, region: str) -> bool:
    controller = await api.get(paths.edge_controllers(region, region))
    conditions = controller.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
