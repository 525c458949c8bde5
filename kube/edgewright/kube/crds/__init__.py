"""The custom resources of group edgewright.dev as typed models, and the generator of their definitions."""

from edgewright.kube.crds.edge_controller import EdgeController
from edgewright.kube.crds.edge_topology import EdgeTopology
from edgewright.kube.crds.node_load import NodeLoad
from edgewright.kube.crds.service_dag import ServiceDag

__all__ = ["EdgeController", "EdgeTopology", "NodeLoad", "ServiceDag"]
