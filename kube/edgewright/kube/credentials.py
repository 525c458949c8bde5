"""Where a client finds its API server and its credentials, and how it reads them again when they expire."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from edgewright.kube.errors import ApiError

_REMEDY = "name a kubeconfig with --kubeconfig or KUBECONFIG and an existing --context"


@dataclass(frozen=True)
class Source:
    """Where the configuration comes from: a kubeconfig file and context, or the pod's own account."""

    path: str | None
    context: str | None

    @classmethod
    def find(cls, kubeconfig: str | None, context: str | None) -> Self:
        """The named kubeconfig, else $KUBECONFIG, else the pod's account, else ~/.kube/config."""
        if kubeconfig:
            return cls(kubeconfig, context)
        if os.environ.get("KUBECONFIG"):
            return cls(os.environ["KUBECONFIG"], context)
        if os.environ.get("KUBERNETES_SERVICE_HOST") and context is None:
            return cls(None, None)
        return cls(str(Path.home() / ".kube" / "config"), context)

    def _checked(self, path: str) -> str:
        if not any(Path(part).expanduser().is_file() for part in path.split(os.pathsep) if part):
            raise ApiError(0, "NoConfiguration", f"kubeconfig {path}: no such file; {_REMEDY}")
        return path

    async def load(self) -> Any:
        """A fresh `kubernetes.aio` Configuration; raises ApiError `NoConfiguration` if it cannot be read."""
        from kubernetes.aio import client, config  # noqa: PLC0415

        configuration = client.Configuration()
        try:
            if self.path is None:
                config.load_incluster_config(client_configuration=configuration)
            else:
                await config.load_kube_config(
                    config_file=self._checked(self.path),
                    context=self.context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except config.ConfigException as error:
            where = "the pod's service account" if self.path is None else f"kubeconfig {self.path}"
            raise ApiError(0, "NoConfiguration", f"{where}: {error}; {_REMEDY}") from error
        return configuration
