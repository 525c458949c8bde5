"""Writes the agents' accounts and role bindings: created once, corrected, and taken away when not due."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.names import MANAGER_OPERATOR, NAMESPACE_NODE_LEASE, ROLE_AGENT_CLUSTER
from edgewright.operator.log import log
from edgewright.operator.perform import Performer
from edgewright.operator.regions import LABEL_REGION_OWNER

Identity = tuple[str, str, str]
"""(kind, namespace, name)."""
_COMPARED = ("subjects", "rules", "roleRef")


class Rights:
    """What was written is remembered, so that an unchanged region costs no request; `distrust` forgets."""

    def __init__(self, api: Api, performer: Performer) -> None:
        self._api, self._performer = api, performer
        self._written: dict[Identity, Mapping[str, Any]] = {}
        self._subjects: Sequence[Mapping[str, str]] | None = None
        self._swept = False

    def distrust(self) -> None:
        """Look at every object again when it is next asked for."""
        self._written.clear()
        self._subjects = None
        self._swept = False

    async def ensure(self, body: Mapping[str, Any]) -> None:
        """Create the object, or correct one of ours; one that is not ours is left alone and logged."""
        identity = identity_of(body)
        if self._written.get(identity) == body:
            return
        kind, namespace, name = identity
        self._performer.check_leading()
        try:
            await self._api.create(
                paths.of_object(kind, namespace, None), body, fieldManager=MANAGER_OPERATOR
            )
        except ApiError as error:
            if error.status != 409 or error.reason != "AlreadyExists":
                raise
            await self._correct(body, identity)
        else:
            log.info("created %s %s/%s", kind, namespace, name)
        self._written[identity] = body

    async def _correct(self, body: Mapping[str, Any], identity: Identity) -> None:
        kind, namespace, name = identity
        path = paths.of_object(kind, namespace, name)
        live = await self._api.get(path)
        labels = live["metadata"].get("labels") or {}
        if kind != "ServiceAccount" and LABEL_REGION_OWNER not in labels:
            log.warning("%s %s/%s is not ours and is left alone", kind, namespace, name)
            return
        same = all((live.get(field) or []) == (body.get(field) or []) for field in _COMPARED)
        if not same or any(labels.get(label) != value for label, value in body["metadata"]["labels"].items()):
            self._performer.check_leading()
            metadata = {**body["metadata"], "uid": live["metadata"]["uid"]}
            await self._api.apply(path, {**body, "metadata": metadata}, manager=MANAGER_OPERATOR)
            log.info("corrected %s %s/%s", kind, namespace, name)

    async def sweep(self, wanted: set[Identity]) -> None:
        """Delete roles and bindings of ours that no EdgeController asks for any more."""
        surplus = self._written.keys() - wanted
        if self._swept and not surplus:
            return
        for kind, collection in (("RoleBinding", paths.rolebindings()), ("Role", paths.roles())):
            for found in await self._api.items(collection, labelSelector=LABEL_REGION_OWNER):
                identity = (kind, found["metadata"]["namespace"], found["metadata"]["name"])
                if identity in wanted:
                    continue
                self._performer.check_leading()
                path = paths.of_object(*identity)
                await self._api.delete(path, uid=found["metadata"]["uid"], missing_ok=True)
                log.info("deleted %s %s/%s: no EdgeController asks for it", *identity)
        for identity in surplus:
            del self._written[identity]
        self._swept = True

    async def static_subjects(self, subjects: Sequence[Mapping[str, str]]) -> None:
        """Rewrite the subjects of the two static bindings, which are installed with the operator."""
        if subjects == self._subjects:
            return
        for path in (
            paths.clusterrolebindings(ROLE_AGENT_CLUSTER),
            paths.rolebindings(NAMESPACE_NODE_LEASE, ROLE_AGENT_CLUSTER),
        ):
            live = await self._api.get(path)
            if [_bare(subject) for subject in live.get("subjects") or []] != list(subjects):
                self._performer.check_leading()
                await self._api.patch(path, {"subjects": list(subjects)})
        self._subjects = subjects


def identity_of(body: Mapping[str, Any]) -> Identity:
    """(kind, namespace, name) of an object."""
    return body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]


def _bare(subject: Mapping[str, str]) -> dict[str, str]:
    return {name: subject.get(name, "") for name in ("kind", "name", "namespace")}
