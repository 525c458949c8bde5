"""Interference and buildings lower rates; without them the link budget is what it always was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.arrays import compile_dag
from edgewright.core.radio import BANDS, BUILT_UP, attachment, band_rate, cell_rate, noise_rise, received
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Ingress, Microservice, ServiceDag
from edgewright.core.substrate import Node


def test_a_link_budget_by_hand() -> None:
    # 3.5 GHz, 100 m, line of sight: 32.4 + 42 + 10.88 dB of loss; -94 + 7 dBm of noise in 100 MHz.
    assert float(received(BANDS["sub6"], 100.0)) == pytest.approx(63 - 85.28 + 87, abs=0.01)


def test_numbers_and_arrays_agree() -> None:
    distance = np.array([5.0, 60.0, 250.0, 251.0, 900.0])
    together = band_rate(BANDS["mmw"], distance)
    assert together.tolist() == [float(band_rate(BANDS["mmw"], metres)) for metres in distance]


@given(distance=st.floats(1, 3000), rise=st.floats(0, 80), band=st.sampled_from(sorted(BANDS)))
def test_interference_and_buildings_never_help(distance: float, rise: float, band: str) -> None:
    free = band_rate(BANDS[band], distance)
    assert 0 <= band_rate(BANDS[band], distance, rise=rise) <= free
    assert band_rate(BANDS[band], distance, line_of_sight=BUILT_UP) <= free


def test_noise_rises_with_near_masts_that_send_often() -> None:
    near, far = np.array([80.0, 120.0]), np.array([800.0, 1200.0])
    assert noise_rise(BANDS["sub6"], near, 0.0) == 0.0
    assert noise_rise(BANDS["sub6"], np.zeros(0), 0.5) == 0.0
    assert noise_rise(BANDS["sub6"], near, 0.3) > noise_rise(BANDS["sub6"], far, 0.3)
    assert noise_rise(BANDS["sub6"], near, 0.6) == pytest.approx(
        noise_rise(BANDS["sub6"], near, 0.3) + 3, abs=0.05
    )


def test_a_node_s_interference_lowers_the_rate_of_its_users() -> None:
    dag = ServiceDag(
        "a",
        "b",
        (Microservice("m", (1.0, 1.0, 0.0, 0.0, 0.0, 1.0), 1e6),),
        (),
        Demand(1.0, 1e6),
        Ingress(location=(150.0, 0.0)),
    )
    rates = []
    for interference in ({}, {"sub6": 55.0}):
        node = Node(
            "n",
            (4.0, 1e9, 0.0, 0.0, 0.0, 9.0),
            location=(0.0, 0.0),
            radio=frozenset({"sub6"}),
            interference=interference,
        )
        rates.append(compile_dag(dag, compile_substrate([node])).cell_rate)
    assert rates[0] == cell_rate(frozenset({"sub6"}), 150.0)
    assert rates[1] < 0.6 * rates[0]


def test_a_rate_that_is_known_replaces_the_one_of_the_distance() -> None:
    node = Node("n", (4.0, 1e9, 0.0, 0.0, 0.0, 9.0), radio=frozenset({"sub6"}), latency=(0.0, 0.001, 0.0))
    wired = Node("w", (4.0, 1e9, 0.0, 0.0, 0.0, 9.0))
    substrate = compile_substrate((node, wired), ())
    near = cell_rate(node.radio, 50.0)
    assert attachment(substrate, Ingress(node="n"), immersive=False) == (0, near, 0.001)
    assert attachment(substrate, Ingress(node="n", rate=7e8), immersive=True) == (0, 7e8, 0.001)
    assert attachment(substrate, Ingress(node="w", rate=7e8), immersive=False) == (1, np.inf, 0.0)
    assert attachment(substrate, Ingress(node="gone"), immersive=False) is None
