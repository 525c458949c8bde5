"""The names that Edgewright's parts agree on: group, labels, annotations, field managers, conditions."""

GROUP = "edgewright.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
SCHEDULER = "edgewright"
"""`schedulerName` of every pod that an agent, not kube-scheduler, must bind."""

# Labels on everything that the operator compiles from a ServiceDAG (and on its pods).
LABEL_DAG = f"{GROUP}/dag"
LABEL_MICROSERVICE = f"{GROUP}/microservice"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "edgewright"
LABEL_APP = "app.kubernetes.io/name"
APP_AGENT = "edgewright-agent"
"""Value of LABEL_APP on what runs a region's agent, and the name of its Deployment and its budget."""

# Node labels and annotations: what a node is and where it stands.
LABEL_TIER = f"{GROUP}/tier"
LABEL_REGION = f"{GROUP}/region"
LABEL_RADIO = f"{GROUP}/radio"
LABEL_ZONE = "topology.kubernetes.io/zone"
ANNOTATION_LOCATION = f"{GROUP}/location"
"""`x,y` in metres from the topology's south-west corner."""
ANNOTATION_LATENCY = f"{GROUP}/latency-ms"
"""`compute,radio,backhaul` in milliseconds."""
TAINT_EDGE = f"{GROUP}/edge"
"""Keeps kube-scheduler off edge nodes (`NoSchedule`); every compiled pod tolerates it."""

RESOURCE_GPU = f"{GROUP}/gpu"
RESOURCE_NPU = f"{GROUP}/npu"
RESOURCE_RADIO = f"{GROUP}/radio-mbps"

ANNOTATION_REASON = f"{GROUP}/reason"
"""On a bound pod: why this node, as compact JSON (`edgewright.core.explain`)."""

# Field managers of server-side apply: no field has two.
MANAGER_OPERATOR = "edgewright-operator"
MANAGER_AGENT = "edgewright-agent"

# ServiceAccounts, roles and Leases.
OPERATOR_NAMESPACE = "edgewright-system"
OPERATOR_ACCOUNT = "edgewright-operator"
AGENT_ACCOUNT = "edgewright-agent"
"""ServiceAccount in each EdgeController's own namespace."""
ROLE_AGENT = "edgewright-agent"
ROLE_AGENT_HOME = "edgewright-agent-home"
"""Rights in the EdgeController's own namespace alone: its Lease, its figures."""
ROLE_AGENT_CLUSTER = "edgewright-agent-cluster"
ROLE_AGENT_NODES = "edgewright-agent-nodes"
"""Role in each governed namespace: the nodes of the region (`edgewright.kube.grants`)."""
ROLE_OPERATOR = "edgewright-operator"
ROLE_OPERATOR_REGION = "edgewright-operator-region"
LEASE_OPERATOR = "edgewright-operator"
LEASE_AGENT = "edgewright-agent"
LEASE_AGENT_SECONDS = 3
"""A killed agent's region is decided for again after 3 to 4 s (docs/decisions/0014)."""
NAMESPACE_NODE_LEASE = "kube-node-lease"
