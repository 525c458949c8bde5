"""What is taken on each node: exact sums, reservations that become bindings, foreign load."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgewright.agents.ledger import Ledger, Request


def request(cpu: float, pods: float = 1.0) -> Request:
    return (cpu, cpu * 1e9, 0.0, 0.0, 0.0, pods)


def test_a_reservation_and_the_binding_that_follows_count_once() -> None:
    ledger = Ledger()
    ledger.lay_out(["a", "b"])
    ledger.take("p", "a", request(1.0))
    ledger.take("p", "a", request(1.0))
    assert ledger.used()[:, 0].tolist() == [1.0, 0.0]
    ledger.take("p", "b", request(1.0))
    assert ledger.used()[:, 0].tolist() == [0.0, 1.0]
    assert ledger.release("p")
    assert not ledger.release("p")
    assert not ledger.used().any()


def test_pods_on_nodes_without_a_row_count_when_the_node_appears() -> None:
    ledger = Ledger()
    ledger.lay_out(["a"])
    ledger.take("p", "b", request(2.0))
    assert not ledger.used().any()
    ledger.lay_out(["a", "b"])
    assert ledger.used()[1, 0] == 2.0


def test_foreign_load_adds_and_reports_what_got_freer() -> None:
    ledger = Ledger()
    ledger.lay_out(["a", "b"])
    assert not ledger.set_foreign({"a": request(1.0)})
    ledger.take("p", "a", request(0.5))
    assert ledger.used()[0, 0] == 1.5
    assert ledger.set_foreign({"b": request(1.0)})
    assert ledger.used()[:, 0].tolist() == [0.5, 1.0]


def test_leaving_pods_out_is_exact() -> None:
    ledger = Ledger()
    ledger.lay_out(["a"])
    for i in range(10):
        ledger.take(f"p{i}", "a", request(0.1))
    assert ledger.used(without=["p3", "unknown"])[0, 0] == 0.9
    assert ledger.used()[0, 0] == 1.0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "c", ""]), st.floats(0.01, 8.0)), max_size=80
    )
)
def test_no_order_of_changes_leaves_a_trace(
    changes: list[tuple[int, str, float]],
) -> None:
    ledger, pods = Ledger(), dict[str, tuple[str, float]]()
    ledger.lay_out(["a", "b", "c"])
    for number, node, cpu in changes:
        uid = f"p{number}"
        if node:
            ledger.take(uid, node, request(cpu))
            pods[uid] = (node, cpu)
        else:
            ledger.release(uid)
            pods.pop(uid, None)
    expected = [sum(cpu for at, cpu in pods.values() if at == node) for node in "abc"]
    assert np.allclose(ledger.used()[:, 0], expected, rtol=1e-12)
    if not pods:
        assert not ledger.used().any()
