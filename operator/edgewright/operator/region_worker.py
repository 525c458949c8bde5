"""Keeps the agents' rights and the EdgeControllers' status in line with who claims what."""

import time
from collections.abc import Mapping
from typing import Any

from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.conditions import now
from edgewright.kube.names import API_VERSION, MANAGER_OPERATOR
from edgewright.operator import regions
from edgewright.operator.agent_template import AgentTemplate
from edgewright.operator.agent_worker import AgentWorker
from edgewright.operator.claims import Claim, Key
from edgewright.operator.log import log
from edgewright.operator.observed import Now
from edgewright.operator.perform import Performer
from edgewright.operator.regions import Controller, Trouble
from edgewright.operator.rights import Rights, identity_of
from edgewright.operator.world import World

_UNWRITTEN_PAUSE = 15.0
"""Seconds until agents are tried again whose objects were refused or have a stranger's name."""


class RegionWorker:
    """Work on all EdgeControllers at once: there are few, and their claims depend on each other."""

    def __init__(
        self, api: Api, world: World, performer: Performer, template: AgentTemplate | None = None
    ) -> None:
        """`template`: what agents are deployed from; without one they run elsewhere."""
        self._api, self._world, self._performer = api, world, performer
        self._rights = Rights(api, performer)
        self._agents = AgentWorker(api, world, performer, template)
        self._governed: dict[str, Key] = {}
        self._unwritten = False

    def distrust(self) -> None:
        """Check every account and binding again at the next work (they are not watched)."""
        self._rights.distrust()

    async def work(self) -> float | None:
        """Bring rights, agents and status up to date; the seconds until the next look, if one is due.

        After trying everything it raises the first ApiError.
        """
        claims = self._world.claims
        present = [c for key, c in sorted(self._world.controllers.items()) if not c.deleted and key in claims]
        seated = [controller for controller in present if claims[controller.key].rival is None]
        governed = {namespace: c.key for c in seated for namespace in claims[c.key].namespaces}
        if governed != self._governed:
            self._governed = governed
            self._world.mark_dags(None)
        errors: list[ApiError] = []
        self._unwritten = False
        for controller in present:
            try:
                await self._region(controller, claims[controller.key])
            except ApiError as error:
                log.warning("EdgeController %s/%s: %s", *controller.key, error)
                errors.append(error)
        try:
            await self._rights.static_subjects(regions.static_subjects(seated))
            wanted = {
                identity_of(body)
                for controller in seated
                for body in regions.rights(controller, claims[controller.key])
            }
            await self._rights.sweep(wanted)
            await self._agents.sweep(seated)
        except ApiError as error:
            log.warning("bindings and Deployments of agents: %s", error)
            errors.append(error)
        if errors:
            raise errors[0]
        return _UNWRITTEN_PAUSE if self._unwritten else None

    async def _region(self, controller: Controller, claim: Claim) -> None:
        """Status even if a right is refused; then the refusal."""
        refused: ApiError | None = None
        trouble: Trouble | None = None
        for body in regions.rights(controller, claim) if claim.rival is None else []:
            try:
                await self._rights.ensure(body)
            except ApiError as error:
                trouble = trouble or regions.refused("The agent lacks rights", error.message)
                refused = refused or error
        if claim.rival is None and trouble is None:
            try:
                trouble = await self._agents.ensure(controller)
            except ApiError as error:
                refused = error
        agent = self._world.agent_alive(controller)
        moment = Now(time.monotonic(), now())
        wanted = regions.status(controller, claim, agent=agent, trouble=trouble, now=moment)
        if differs(controller.status, wanted):
            await self._write_status(controller, wanted)
        if refused is not None:
            raise refused
        self._unwritten |= trouble is not None and not trouble.written

    async def _write_status(self, controller: Controller, status: Mapping[str, Any]) -> None:
        self._performer.check_leading()
        body = {
            "apiVersion": API_VERSION,
            "kind": "EdgeController",
            "metadata": {"name": controller.key[1], "uid": controller.uid},
            "status": status,
        }
        path = paths.edge_controllers(*controller.key, "status")
        try:
            answer = await self._api.apply(path, body, manager=MANAGER_OPERATOR)
        except ApiError as error:
            if error.status not in {404, 409}:  # it is gone, or a new one has its name: the watch will tell
                raise
        else:
            self._world.see_controller("ANSWERED", answer)


def differs(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a status is worth writing; an absent list equals an empty one."""
    return any((stored.get(name) or None) != (value or None) for name, value in wanted.items())
