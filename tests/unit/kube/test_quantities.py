import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.kube import quantities
from edgewright.kube.objects import Container, ContainerResources, Metadata, Pod, PodSpec

CASES = [
    ("500m", "0.5"),
    ("2", "2"),
    (2, "2"),
    ("0.1", "0.1"),
    (".5", "0.5"),
    ("1e3", "1000"),
    ("1E3", "1000"),
    ("1E", "1000000000000000000"),
    ("1Ei", str(2**60)),
    ("1.5Gi", str(3 * 2**29)),
    ("128974848", "128974848"),
    ("129M", "129000000"),
    ("123Mi", str(123 * 2**20)),
    ("100u", "0.0001"),
    ("1n", "0.000000001"),
]


@pytest.mark.parametrize(("text", "value"), CASES)
def test_quantities_mean_what_kubernetes_says(text: str | int, value: str) -> None:
    assert quantities.exact(text) == Decimal(value)
    assert re.match(quantities.PATTERN, str(text))


@pytest.mark.parametrize("text", ["", "m", "1.2.3", "1 Gi", "1GiB", "ten", "1e", "--1", "0x10"])
def test_what_is_no_quantity_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        quantities.parse(text)


@given(st.integers(min_value=1, max_value=10**6))
def test_whole_milli_cores_survive_a_round_trip(milli: int) -> None:
    assert quantities.exact(quantities.cores(milli / 1000)) == Decimal(milli) / 1000


@given(st.floats(min_value=0, max_value=1e15, allow_nan=False))
def test_rounding_never_promises_less(value: float) -> None:
    assert quantities.exact(quantities.whole(value)) >= Decimal(repr(value))
    assert quantities.exact(quantities.cores(value)) >= Decimal(repr(value))


def container(cpu: str, *, sidecar: bool = False) -> Container:
    resources = ContainerResources(requests={"cpu": cpu})
    return Container("c", resources, restart_policy="Always" if sidecar else None)


POD_CASES = [
    ("containers add up", PodSpec(containers=[container("1"), container("500m")]), 1.5),
    (
        "init containers count by the largest",
        PodSpec([container("1")], [container("3"), container("2")]),
        3.0,
    ),
    ("sidecars add up", PodSpec([container("1")], [container("2", sidecar=True)]), 3.0),
    (
        "an init container runs beside earlier sidecars",
        PodSpec([container("1")], [container("2", sidecar=True), container("4")]),
        6.0,
    ),
    ("overhead is added", PodSpec([container("1")], overhead={"cpu": "250m"}), 1.25),
    (
        "requests of the pod replace the sum",
        PodSpec([container("1")], resources=ContainerResources(requests={"cpu": "2"})),
        2.0,
    ),
    (
        "a limit alone is the request too",
        PodSpec([Container("c", ContainerResources(limits={"cpu": "2"}))]),
        2.0,
    ),
]


@pytest.mark.parametrize(
    ("spec", "cores"), [case[1:] for case in POD_CASES], ids=[case[0] for case in POD_CASES]
)
def test_a_pod_requests_what_kube_scheduler_counts(spec: PodSpec, cores: float) -> None:
    assert quantities.pod_requests(Pod(Metadata(), spec)) == {"cpu": pytest.approx(cores)}
