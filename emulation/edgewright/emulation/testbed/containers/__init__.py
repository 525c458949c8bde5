"""The container node: a real kubelet that joins a testbed's control plane beside the emulated nodes.

It lives in namespaces of its own (network, mounts, processes), so that all it makes ends with them
(docs/decisions/0010).
"""
