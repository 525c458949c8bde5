"""Keeps each region's agents deployed as the template says, or takes them away where none are to run."""

from collections.abc import Iterable

import msgspec

from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.conditions import Reason
from edgewright.kube.names import APP_AGENT, LABEL_MANAGED_BY, MANAGED_BY, MANAGER_OPERATOR
from edgewright.kube.objects import Manifest
from edgewright.operator.agent_objects import agent_objects, owned_by, trouble
from edgewright.operator.agent_template import AgentTemplate
from edgewright.operator.compile import Compiled
from edgewright.operator.field_ownership import owned_by_apply
from edgewright.operator.log import log
from edgewright.operator.perform import Performer
from edgewright.operator.reconcile import differs
from edgewright.operator.regions import Controller, Trouble, refused
from edgewright.operator.world import World

_STRICT = {"fieldManager": MANAGER_OPERATOR, "fieldValidation": "Strict"}
"""A misspelt field of the template is refused, not dropped."""


class AgentWorker:
    """Deployments and budgets of agents: created, corrected, removed; a stranger's object is left alone."""

    def __init__(
        self, api: Api, world: World, performer: Performer, template: AgentTemplate | None = None
    ) -> None:
        self._api, self._world, self._performer = api, world, performer
        self._template = template
        self._settled: dict[tuple[str, str], tuple[str, int]] = {}
        """(uid, generation) of an object that something else changes back at once."""
        self._decoder = msgspec.json.Decoder(Manifest)

    async def ensure(self, controller: Controller) -> Trouble | None:
        """Bring the region's agents in line; what keeps them from running. Raises ApiError if it may pass."""
        if self._template is None:
            return None
        for item in agent_objects(controller, self._template):
            try:
                stranger = await self._object(controller, item)
            except ApiError as error:
                if error.status not in {400, 403, 422}:
                    raise
                return refused(f"{item.kind} {item.name}", error.message)
            if stranger:
                return Trouble(
                    Reason.NAME_CONFLICT,
                    f"{item.kind} {item.name} belongs to {stranger} and is left alone; delete or rename it.",
                    written=False,
                )
        namespace = controller.key[0]
        deployment = self._world.agents_deployed["Deployment"].store.get((namespace, APP_AGENT))
        pods = [pod for (home, _), pod in self._world.agent_pods.store.items() if home == namespace]
        return trouble(deployment, pods)

    async def _object(self, controller: Controller, item: Compiled) -> str:
        """Create or correct one object; whose it is if it is not ours."""
        key = (controller.key[0], item.name)
        present = self._world.agents_deployed[item.kind].store.get(key)
        if present is None:
            self._performer.check_leading()
            path = paths.of_object(item.kind, controller.key[0], None)
            try:
                await self._api.create(path, item.body, **_STRICT)
            except ApiError as error:
                if error.status != 409 or error.reason != "AlreadyExists":
                    raise
                found = await self._api.raw("GET", paths.of_object(item.kind, *key))
                present = self._decoder.decode(found)
            else:
                log.info("EdgeController %s/%s: created %s %s", *controller.key, item.kind, item.name)
                return ""
        if not owned_by(present.metadata, controller):
            return owner_of(present)
        settled = self._settled.get((item.kind, key[0]))
        known = {item.key: settled} if settled is not None else {}
        if present.metadata.deletion_timestamp is None and differs(item, present, known, scaled=False):
            await self._correct(controller, item, present.metadata.uid)
        return ""

    async def _correct(self, controller: Controller, item: Compiled, uid: str) -> None:
        path = paths.of_object(item.kind, controller.key[0], item.name)
        self._performer.check_leading()
        live = await self._api.get(path)
        metadata = live["metadata"]
        if metadata["uid"] != uid:
            return  # the watch tells of the new one
        handed = owned_by_apply(metadata.get("managedFields") or [], MANAGER_OPERATOR)
        if handed is not None:
            at = {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
            fields = {"op": "replace", "path": "/metadata/managedFields", "value": handed}
            await self._api.patch(path, [fields, at], kind="json")
        body = {**item.body, "metadata": {**item.body["metadata"], "uid": uid}}
        await self._api.apply(path, body, manager=MANAGER_OPERATOR, fieldValidation="Strict")
        found = self._decoder.decode(await self._api.raw("GET", path))
        self._settled.pop((item.kind, controller.key[0]), None)
        if differs(item, found, {}, scaled=False):
            self._settled[item.kind, controller.key[0]] = (uid, found.metadata.generation)
            log.warning(
                "EdgeController %s/%s: something changes %s %s back; it is left so until it changes again",
                *controller.key,
                item.kind,
                item.name,
            )
        else:
            log.info("EdgeController %s/%s: corrected %s %s", *controller.key, item.kind, item.name)

    async def sweep(self, seated: Iterable[Controller]) -> None:
        """Delete agents of EdgeControllers that are to have none; those of deleted ones are collected."""
        wanted = {controller.uid for controller in seated} if self._template is not None else set()
        known = {controller.uid for controller in self._world.controllers.values()}
        for kind, reflector in self._world.agents_deployed.items():
            for (namespace, name), item in list(reflector.store.items()):
                owner = item.metadata.controller
                ours = item.metadata.labels.get(LABEL_MANAGED_BY) == MANAGED_BY and name == APP_AGENT
                if not ours or owner is None or owner.uid not in known - wanted:
                    continue
                self._performer.check_leading()
                path, uid = paths.of_object(kind, namespace, name), item.metadata.uid
                await self._api.delete(path, uid=uid, propagation="Background", missing_ok=True)
                log.info("deleted %s %s/%s: no agents are to run there", kind, namespace, name)


def owner_of(item: Manifest) -> str:
    """Whose an object is, for people."""
    owner = item.metadata.controller
    return "someone else" if owner is None else f"{owner.kind} {owner.name}"
