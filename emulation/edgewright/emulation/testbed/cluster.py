"""A testbed that exists: what `up` decided, its files and its processes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgewright.emulation.testbed import processes
from edgewright.emulation.testbed.control_plane import ControlPlane, Heartbeat, destroy
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import DEFAULT_NAME, Layout, state_home
from edgewright.emulation.testbed.ports import Ports
from edgewright.emulation.testbed.processes import Process


class State(BaseModel):
    """What `up` decided, kept in the testbed's folder so that other commands know."""

    model_config = ConfigDict(frozen=True)

    phase: Literal["starting", "ready"] = "starting"
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    heartbeat: Heartbeat
    scenario: str | None
    bare: bool
    ports: dict[str, int]
    kwok_starts: int = 0
    """How many starts KWOK took until a cut held."""
    regions: tuple[str, ...] = ()
    """Namespaces of the regions, each with its EdgeController."""
    nodes: int = 0
    prometheus: bool = False
    """Whether a Prometheus of its own belongs to it."""

    def write(self, layout: Layout) -> None:
        """Replace the state file at once, so that no reader sees half of it."""
        written = layout.root / ".state.json"
        written.write_text(self.model_dump_json(indent=2))
        written.rename(layout.state)


@dataclass(frozen=True, slots=True)
class Testbed:
    """A testbed that was brought up."""

    __test__ = False

    layout: Layout
    state: State

    @property
    def name(self) -> str:
        """Its name."""
        return self.layout.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def control_plane(self) -> ControlPlane:
        """The components, to stop, start and restart."""
        return ControlPlane(self.layout, Ports(**self.state.ports))

    @property
    def processes(self) -> list[Process]:
        """Every process that runs or ran for it: components, operator, agents."""
        return processes.recorded(self.layout.pids)

    def stop_component(self, component: str) -> None:
        """End one component of the control plane; `start_component` starts it again."""
        self.control_plane.stop(component)

    def start_component(self, component: str) -> None:
        """Start a stopped component and wait until it is ready."""
        self.control_plane.start(component)

    def restart_component(self, component: str) -> None:
        """Stop and start one component and wait until it is ready; TestbedError if there is no such one."""
        self.control_plane.restart(component)


def names() -> list[str]:
    """Names of the testbeds that exist, also of broken ones."""
    return sorted(file.parent.name for file in state_home().glob("*/state.json"))


def load(name: str = DEFAULT_NAME) -> Testbed:
    """The testbed `name`, running or broken; TestbedError if there is none."""
    layout = Layout(name)
    if not layout.state.exists():
        known = names()
        others = f"; there are: {', '.join(known)}" if known else ""
        raise TestbedError(f"no testbed {name!r}{others}. `edgewright testbed up --name {name}` brings it up")
    return Testbed(layout, State.model_validate_json(layout.state.read_text()))


def down(name: str = DEFAULT_NAME) -> bool:
    """Stop everything that belongs to the testbed and remove it; False if there was nothing.

    Also cleans up what a killed `up` left. Raises TestbedError if a process would not end.
    """
    layout = Layout(name)
    with layout.locked():
        existed = layout.root.exists() or bool(processes.belonging(layout.root))
        destroy(layout)
    return existed
