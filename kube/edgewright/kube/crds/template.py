"""The part of a pod template that a microservice may set; everything else is decided for it."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from edgewright.kube.crds.wire import Label, ObjectName, Port, Quantity, Wire, between, keyed, rule, rules

Argument = Annotated[str, StringConstraints(max_length=1024)]
ConfigKey = Annotated[str, StringConstraints(min_length=1, max_length=253)]
HeaderName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
PortName = Annotated[
    str, StringConstraints(min_length=1, max_length=15, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
Protocol = Literal["TCP", "UDP", "SCTP"]


def one_of(*fields: str) -> str:
    """CEL expression: exactly one of the fields is present."""
    return "[" + ", ".join(f"has(self.{field})" for field in fields) + "].filter(x, x).size() == 1"


class KeyReference(Wire):
    """One key of a ConfigMap or Secret of the same namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap or Secret.")
    key: ConfigKey = Field(description="Key in it.")
    optional: bool = Field(default=False, description="Whether the pod may start without it.")


class FieldReference(Wire):
    """A field of the pod itself."""

    field_path: str = Field(
        max_length=127, description="For example status.podIP, spec.nodeName or metadata.labels['x']."
    )


class EnvSource(Wire):
    """Where an environment variable takes its value from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                one_of("configMapKeyRef", "secretKeyRef", "fieldRef"),
                "valueFrom needs exactly one of configMapKeyRef, secretKeyRef and fieldRef",
            )
        )
    )
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap.")
    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret.")
    field_ref: FieldReference | None = Field(default=None, description="A field of the pod.")


class EnvVar(Wire):
    """One environment variable."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.value) && has(self.valueFrom))",
                "give an environment variable value or valueFrom, not both",
            )
        )
    )
    name: Annotated[str, StringConstraints(min_length=1, max_length=127)] = Field(
        description="Name of the variable."
    )
    value: str | None = Field(
        default=None, max_length=2048, description="Its value; longer text belongs in a ConfigMap."
    )
    value_from: EnvSource | None = Field(default=None, description="Where to take the value from instead.")


class SourceReference(Wire):
    """A ConfigMap or Secret of the same namespace."""

    name: ObjectName = Field(description="Its name.")
    optional: bool = Field(default=False, description="Whether the pod may start without it.")


class EnvFrom(Wire):
    """All keys of a ConfigMap or Secret as environment variables."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                one_of("configMapRef", "secretRef"), "envFrom needs exactly one of configMapRef and secretRef"
            )
        )
    )
    prefix: str = Field(default="", max_length=63, description="Put before every variable name.")
    config_map_ref: SourceReference | None = Field(default=None, description="The ConfigMap.")
    secret_ref: SourceReference | None = Field(default=None, description="The Secret.")


class ContainerPort(Wire):
    """A port that the container listens on."""

    name: PortName | None = Field(default=None, description="Name that probes and the Service can use.")
    container_port: PortNumber = Field(description="The port number.")
    protocol: Protocol = Field(default="TCP", description="The transport protocol.")


class HttpHeader(Wire):
    """A header of a probe's request."""

    name: HeaderName = Field(description="Header name.")
    value: str = Field(max_length=256, description="Header value.")


class HttpGet(Wire):
    """A probe by HTTP GET; an answer of 200 to 399 is a success."""

    path: str = Field(default="/", max_length=256, description="Path of the request.")
    port: Port = Field(description="Port number or the name of a container port.")
    scheme: Literal["HTTP", "HTTPS"] = Field(default="HTTP", description="HTTP or HTTPS.")
    http_headers: list[HttpHeader] = Field(
        default=[],
        max_length=4,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Headers to send.",
    )


class TcpSocket(Wire):
    """A probe by opening a TCP connection."""

    port: Port = Field(description="Port number or the name of a container port.")


class Grpc(Wire):
    """A probe by the gRPC health protocol."""

    port: PortNumber = Field(description="Port number.")
    service: str = Field(default="", max_length=127, description="Service name in the health request.")


class Exec(Wire):
    """A probe by running a command; exit status 0 is a success."""

    command: list[Argument] = Field(
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="The command and its arguments.",
    )


class Probe(Wire):
    """A check of the container's health."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                one_of("httpGet", "tcpSocket", "grpc", "exec"),
                "a probe needs exactly one of httpGet, tcpSocket, grpc and exec",
            )
        )
    )
    http_get: HttpGet | None = Field(default=None, description="Check by HTTP.")
    tcp_socket: TcpSocket | None = Field(default=None, description="Check by a TCP connection.")
    grpc: Grpc | None = Field(default=None, description="Check by gRPC.")
    exec: Exec | None = Field(default=None, description="Check by a command.")
    initial_delay_seconds: int | None = Field(
        default=None, ge=0, le=3600, description="Seconds before the first check."
    )
    period_seconds: int | None = Field(default=None, ge=1, le=3600, description="Seconds between checks.")
    timeout_seconds: int | None = Field(
        default=None, ge=1, le=600, description="Seconds until a check fails."
    )
    success_threshold: int | None = Field(
        default=None, ge=1, le=10, description="Successes in a row that make it healthy."
    )
    failure_threshold: int | None = Field(
        default=None, ge=1, le=100, description="Failures in a row that make it unhealthy."
    )


class ConfigMapVolume(Wire):
    """The keys of a ConfigMap as files."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    optional: bool = Field(default=False, description="Whether the pod may start without it.")


class SecretVolume(Wire):
    """The keys of a Secret as files."""

    secret_name: ObjectName = Field(description="Name of the Secret.")
    optional: bool = Field(default=False, description="Whether the pod may start without it.")


class EmptyDir(Wire):
    """A folder that lives as long as the pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(between("sizeLimit", "1Ki", "1Ti", "the folder's size, for example 64Mi"))
    )
    medium: Literal["", "Memory"] = Field(default="", description="Memory keeps it in RAM.")
    size_limit: Quantity | None = Field(default=None, description="Largest size, for example 64Mi.")


class Volume(Wire):
    """A volume from a ConfigMap, a Secret or an empty folder; nothing of the node is ever mounted."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                one_of("configMap", "secret", "emptyDir"),
                "a volume needs exactly one of configMap, secret and emptyDir",
            )
        )
    )
    name: Label = Field(description="Name that volumeMounts use.")
    config_map: ConfigMapVolume | None = Field(default=None, description="A ConfigMap's keys as files.")
    secret: SecretVolume | None = Field(default=None, description="A Secret's keys as files.")
    empty_dir: EmptyDir | None = Field(default=None, description="An empty folder.")


class VolumeMount(Wire):
    """Where a volume appears in the container."""

    name: Label = Field(description="Name of the volume.")
    mount_path: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="Path in the container."
    )
    sub_path: str = Field(
        default="", max_length=256, description="Path inside the volume; empty is its root."
    )
    read_only: bool = Field(default=False, description="Whether the container may only read it.")


class SecurityContext(Wire):
    """Ids that the container runs under; it always runs as non-root, without privileges and capabilities."""

    run_as_user: int | None = Field(
        default=None, ge=1, le=2147483647, description="User id; needed if the image's user is root."
    )
    run_as_group: int | None = Field(default=None, ge=1, le=2147483647, description="Group id.")
    fs_group: int | None = Field(
        default=None, ge=1, le=2147483647, description="Group that owns mounted volumes."
    )
    read_only_root_filesystem: bool | None = Field(
        default=None, description="Whether the root file system is read-only."
    )


class SecretName(Wire):
    """A Secret of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class Template(Wire):
    """What the pods of a microservice run, beyond image and resources: a subset of a pod template."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.volumeMounts) || self.volumeMounts.all(mount, has(self.volumes)"
                " && self.volumes.exists(volume, volume.name == mount.name))",
                "volumeMounts names a volume that volumes does not define; add it to volumes",
                path=".volumeMounts",
            )
        )
    )
    command: list[Argument] = Field(
        default=[],
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Replaces the image's entry point.",
    )
    args: list[Argument] = Field(
        default=[],
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Replaces the image's arguments.",
    )
    env: list[EnvVar] = Field(
        default=[], max_length=64, json_schema_extra=keyed("name"), description="Environment variables."
    )
    env_from: list[EnvFrom] = Field(
        default=[],
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="ConfigMaps and Secrets whose keys become environment variables.",
    )
    ports: list[ContainerPort] = Field(
        default=[],
        max_length=16,
        json_schema_extra=keyed("containerPort", "protocol"),
        description="Ports that the container listens on; the Service offers them unless service.ports"
        " says otherwise.",
    )
    liveness_probe: Probe | None = Field(default=None, description="Restarts the container when it fails.")
    readiness_probe: Probe | None = Field(
        default=None, description="Takes the replica out of the Service while it fails."
    )
    startup_probe: Probe | None = Field(
        default=None, description="Delays the other probes until it succeeds."
    )
    volumes: list[Volume] = Field(
        default=[], max_length=8, json_schema_extra=keyed("name"), description="Volumes of the pod."
    )
    volume_mounts: list[VolumeMount] = Field(
        default=[],
        max_length=8,
        json_schema_extra=keyed("mountPath"),
        description="Where the volumes appear.",
    )
    service_account_name: ObjectName | None = Field(
        default=None, description="ServiceAccount of the pods; without one no token is mounted."
    )
    image_pull_secrets: list[SecretName] = Field(
        default=[],
        max_length=4,
        json_schema_extra=keyed("name"),
        description="Secrets for pulling the image.",
    )
    security_context: SecurityContext = Field(
        default=SecurityContext(),
        description="Ids that the container runs under; the restricted pod security standard always holds.",
    )
    termination_grace_period_seconds: int | None = Field(
        default=None,
        ge=0,
        le=3600,
        description="Seconds between asking a pod to stop and killing it; 30 if absent.",
    )
