"""Everything that the operator process can be told, in one place."""

import os
import socket
import uuid
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

from edgewright.kube.names import LEASE_OPERATOR, OPERATOR_NAMESPACE


def _identity() -> str:
    return f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class OperatorSettings:
    """Settings of one operator process; durations in seconds."""

    kubeconfig: str | None = None
    """Kubeconfig file; none: $KUBECONFIG, the pod's account, or ~/.kube/config."""
    context: str | None = None
    """Context of the kubeconfig; none: its current one."""
    namespace: str = OPERATOR_NAMESPACE
    """Where the leader Lease is."""
    lease: str = LEASE_OPERATOR
    """Name of the leader Lease."""
    lease_duration: int = 10
    """Seconds after which a silent leader may be replaced."""
    identity: str = field(default_factory=_identity)
    """Holder identity in the Lease."""
    workers: int = 128
    """ServiceDAGs reconciled at once."""
    writes: int = 24
    """API writes in flight at once."""
    resync: float = 300.0
    """Seconds between two looks at everything, whether or not anything happened."""
    backoff_base: float = 0.2
    """First wait after a failed reconcile."""
    backoff_cap: float = 60.0
    """Longest wait after repeated failures."""
    load_refresh: float = 10.0
    """Seconds after which an unchanged NodeLoad is confirmed (agents distrust it after 30)."""
    shutdown_grace: float = 8.0
    """Seconds that running writes get after SIGTERM."""
    agent_template: str | None = None
    """YAML file of the pod template that agents are deployed from; none: they run elsewhere."""
    listen: str = ""
    """HOST:PORT of /metrics, /healthz and /readyz; none: nothing is served."""
    prometheus: str = ""
    """Base URL of the Prometheus that knows how users' requests fare; none: QoSMet is predicted."""
    prometheus_credentials: str = ""
    """Folder with a file `token`, or with `username` and `password`, as a mounted Secret has them."""
    observation_interval: float = 30.0
    """Seconds between two questions to it."""
    observation_window: float = 120.0
    """Seconds that an observation looks back; at least twice the interval at which Prometheus scrapes."""
    log_level: str = "info"
    """debug, info, warning or error."""

    def lines(self) -> list[str]:
        """One `name = value` line per setting; none of them is a secret."""
        return [f"{name} = {value}" for name, value in asdict(self).items()]


def prometheus_url(text: str) -> str:
    """The base URL of a Prometheus without a slash at its end; raises ValueError that says what is wrong."""
    if "@" in text.rpartition("://")[2].partition("/")[0]:
        raise ValueError(
            "--prometheus holds credentials, which every list of processes would show: give the URL without "
            "them, and --prometheus-credentials"
        )
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise ValueError(
            f"--prometheus {text!r} is not a base URL: give one such as http://prometheus.monitoring:9090"
        )
    return text.rstrip("/")
