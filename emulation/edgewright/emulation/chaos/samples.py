"""Two sample DAGs for a testbed without any, so that one command shows something."""

import asyncio

import yaml

from edgewright.emulation.chaos import probes, state
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.target import Target
from edgewright.emulation.testbed import Testbed
from edgewright.emulation.testbed.report import Report
from edgewright.kube import manifests, names, paths

SAMPLES = ("digital-twin-sync", "online-boutique")
"""One for the first region, one for the last. The others' limits are so tight that some single nodes
cannot be spared: a good find of a game day, but not a good beginning."""
READY_SECONDS = 120.0


def apply(target: Target, report: Report) -> None:
    """Apply them and wait until everything is whole; ChaosError if that cannot be."""
    bed = target.bed
    if bed is None or not bed.state.regions:
        raise ChaosError(
            "--with-samples is for a testbed with regions: on your own cluster use your own DAGs"
        )
    report("applying two sample DAGs")
    asyncio.run(_apply(target, bed))
    if asyncio.run(_off_their_best(target)):
        report("placing the sample DAGs anew")
    wrong = asyncio.run(probes.wait(target, READY_SECONDS))
    if wrong:
        raise ChaosError(f"the sample DAGs are not whole after {READY_SECONDS:.0f} s: {', '.join(wrong)}")


async def _apply(target: Target, bed: Testbed) -> None:
    async with target.world() as world:
        for sample, region in zip(SAMPLES, (bed.state.regions[0], bed.state.regions[-1]), strict=True):
            dag = yaml.safe_load((manifests.folder() / "samples" / f"{sample}.yaml").read_text())
            # `safe` waits five minutes for Kubernetes' own eviction, which is nothing to watch.
            dag["spec"]["placementPolicy"] = {"onNodeLoss": "fast"}
            await manifests.apply(world.api, dag, manager="kubectl", namespace=region)


async def _off_their_best(target: Target) -> bool:
    """Delete the replicas of samples that an earlier node loss left where a limit does not hold any more.

    Nothing moves Ready replicas in this version; a DAG without any is placed as a whole.
    """
    async with target.world() as world:
        found = await state.look(world.api)
        broken = [dag for dag in found.dags if state.limit_broken(dag) and dag["metadata"]["name"] in SAMPLES]
        for dag in broken:
            there = paths.pods(dag["metadata"]["namespace"])
            selector = f"{names.LABEL_DAG}={dag['metadata']['name']}"
            await world.api.raw("DELETE", there, params={"labelSelector": selector})
        return bool(broken)
