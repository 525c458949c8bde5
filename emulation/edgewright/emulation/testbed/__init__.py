"""A Kubernetes control plane on loopback with KWOK playing the edge nodes of a scenario.

from edgewright.emulation import testbed
bed = testbed.up("mine", options=testbed.Options(scenario="melbourne-small", bare=True))
...
testbed.down("mine")
"""

from edgewright.emulation.testbed import nodes
from edgewright.emulation.testbed.bringup import Options, up
from edgewright.emulation.testbed.cluster import Testbed, down, load, names
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import DEFAULT_NAME, Layout

__all__ = [
    "DEFAULT_NAME",
    "Layout",
    "Options",
    "Testbed",
    "TestbedError",
    "down",
    "load",
    "names",
    "nodes",
    "up",
]
