"""Episodes: seeded to the bit, in steady state from the start, and what their docstring promises."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.units import GBPS
from edgewright.emulation.demand.episode import LENGTH, Demand, Episode, episode
from edgewright.emulation.demand.settings import DemandSettings, Failures, Mover
from edgewright.emulation.demand.traces import read


def with_settings(world: Demand, **changes: object) -> Demand:
    demand = DemandSettings.model_validate({**world.city.scenario.demand.model_dump(), **changes})
    city = replace(world.city, scenario=world.city.scenario.model_copy(update={"demand": demand}))
    return replace(world, city=city)


def same(a: Episode, b: Episode) -> bool:
    pairs = [(getattr(a, each.name), getattr(b, each.name)) for each in fields(Episode)]
    return all(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y for x, y in pairs)


def test_the_same_seed_gives_the_same_bits(world: Demand) -> None:
    assert same(episode(world, seed=5), episode(world, seed=5))
    assert not same(episode(world, seed=5), episode(world, seed=6))


def test_shapes_and_order(world: Demand) -> None:
    found = episode(world, seed=1, periods=100)
    A, N = len(found.template), len(world.city.nodes)
    for name in ("factor", "cell", "cell_rate"):
        assert getattr(found, name).shape == (100, A)
    assert found.down.shape == (100, N)
    assert (np.diff(found.born) >= 0).all()
    assert (found.ends > found.born).all()
    assert found.born.max() < 100
    assert np.isfinite(found.factor).all()
    assert (found.factor >= 0).all()
    radio = {i for i, node in enumerate(world.city.nodes) if node.radio}
    assert set(np.unique(found.cell).tolist()) <= radio


def test_users_begin_in_the_cell_of_their_template(world: Demand) -> None:
    found = episode(world, seed=2)
    for a, (template, born) in enumerate(zip(found.template, found.born, strict=True)):
        assert world.city.nodes[found.cell[born, a]].name == found.dags[template].ingress.node


def test_immersive_users_get_five_gigabits(world: Demand) -> None:
    found = episode(world, seed=2)
    immersive = [found.dags[row].service_class == "immersive" for row in found.template]
    assert (found.cell_rate[:, immersive] >= 5 * GBPS).all()


def test_as_many_dags_as_the_regions_ask_for_at_every_time(world: Demand) -> None:
    expected = (world.groups.requests / 55).sum()
    active = []
    for seed in range(40):
        found = episode(world, seed=seed)
        active.append([((found.born <= t) & (found.ends > t)).sum() for t in (0, 180, 359)])
    assert np.mean(active, axis=0) == pytest.approx([expected] * 3, rel=0.15)


def test_lives_are_exponential_with_the_mean_of_the_scenario(world: Demand) -> None:
    lives = np.concatenate(
        [(found.ends - found.born) for found in (episode(world, seed=seed) for seed in range(40))]
    )
    assert lives.mean() == pytest.approx(120.5, rel=0.1)
    assert np.median(lives) == pytest.approx(120 * np.log(2), rel=0.15)


def test_living_dags_share_a_template_only_where_all_are_in_use(world: Demand) -> None:
    found = episode(world, seed=9, periods=100)
    for t in range(100):
        alive = found.template[(found.born <= t) & (found.ends > t)]
        for region in range(2):
            own = alive[found.region[alive] == region]
            if len(own) <= 5:
                assert len(set(own.tolist())) == len(own)


def test_bursts_have_mean_one_and_long_memory(world: Demand) -> None:
    assert world.bursts.shape[1] == LENGTH
    assert world.bursts.mean(axis=1) == pytest.approx(np.ones(len(world.bursts)))
    blocks = world.bursts[:, : LENGTH // 32 * 32].reshape(len(world.bursts), -1, 32).mean(axis=2)
    # Independent periods would lose a factor of 32 in variance.
    assert blocks.var() > 3 * world.bursts.var() / 32


def test_failed_nodes_come_back_and_serve_nobody_meanwhile(world: Demand) -> None:
    found = episode(world, seed=4, failures=Failures(share=0.25, period=50, repair=30))
    edge = [i for i, node in enumerate(world.city.nodes) if node.tier == "edge"]
    assert found.down[50:80].sum(axis=1).tolist() == [round(0.25 * len(edge))] * 30
    assert not found.down[:50].any()
    assert not found.down[80:].any()
    t, a = np.nonzero(found.cell_rate > 0)
    alive = (t >= found.born[a]) & (t < found.ends[a])
    assert not found.down[t[alive], found.cell[t[alive], a[alive]]].any()


def test_an_event_at_a_venue_multiplies_what_is_asked_near_it(world: Demand) -> None:
    venues = world.city.scenario.demand.venues.model_dump()
    quiet = episode(with_settings(world, venues={**venues, "per_hour": 0.0}), seed=8)
    loud = episode(with_settings(world, venues={**venues, "per_hour": 3.0, "gain": 4.0}), seed=8)
    ratio = loud.factor / np.maximum(quiet.factor, 1e-12)
    assert ratio.max() >= 4.0 - 1e-9
    assert np.isclose(ratio, 1.0).mean() > 0.3


def test_users_follow_the_trajectories_of_a_file(world: Demand, tmp_path: Path) -> None:
    file = tmp_path / "taxis.csv"
    file.write_text("id,seconds,x,y\n" + "".join(f"a,{10 * t},{30 * t},{20 * t}\n" for t in range(100)))
    mover = Mover(name="taxi", share=1.0, model="trace", file=str(file))
    taxis = replace(
        with_settings(world, mobility=[mover.model_dump()]), traces={0: read(str(file), world_period())}
    )
    still = with_settings(world, mobility=[{"name": "all", "share": 1.0, "model": "static"}])
    moved, stayed = (np.diff(episode(each, seed=1).cell, axis=0).any() for each in (taxis, still))
    assert moved
    assert not stayed


def world_period() -> float:
    return 10.0


@pytest.mark.parametrize(("seed", "periods"), [(-1, 10), (2**63, 10), (1, 0), (1, 100_001)])
def test_out_of_range_is_refused(world: Demand, seed: int, periods: int) -> None:
    with pytest.raises(ValueError, match="give"):
        episode(world, seed=seed, periods=periods)
