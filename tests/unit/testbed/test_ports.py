"""Two testbeds that start together never get the same ports."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgewright.emulation.testbed.ports import BLOCK, FIRST, LAST, Ports, free, reserve


def owner(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True)
    return folder / name


def test_ports_reserved_at_the_same_time_differ(tmp_path: Path) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        owners = [owner(tmp_path, f"bed-{number}") for number in range(8)]
        chosen = list(pool.map(lambda bed: stack.enter_context(reserve(bed, tmp_path / "claims")), owners))
    assert len({port for ports in chosen for port in ports.all()}) == 8 * 10


def test_a_stopped_component_keeps_its_port(tmp_path: Path) -> None:
    mine, claims = owner(tmp_path, "same"), tmp_path / "claims"
    with reserve(mine, claims) as ports:
        pass
    # The same seed would choose the same block, were it not claimed by a testbed that exists.
    other = owner(tmp_path, "other")
    (claims / str(ports.apiserver)).write_text(str(mine))
    chosen = []
    for _ in range(20):
        with reserve(other, claims) as theirs:
            chosen.append(theirs.apiserver)
    assert ports.apiserver not in chosen
    with reserve(mine, claims) as again:
        assert again == ports


def test_ports_of_a_testbed_that_is_gone_are_free_again(tmp_path: Path) -> None:
    mine, claims = owner(tmp_path, "mine"), tmp_path / "claims"
    with reserve(mine, claims) as ports:
        pass
    (claims / str(ports.apiserver)).write_text(str(tmp_path / "gone"))
    with reserve(mine, claims) as again:
        assert again == ports


def test_a_port_that_is_listened_on_is_not_chosen(tmp_path: Path) -> None:
    mine, claims = owner(tmp_path, "mine"), tmp_path / "claims"
    with reserve(mine, claims) as ports:
        pass
    with socket.create_server(("127.0.0.1", ports.scheduler)):
        assert not free(ports.scheduler)
        with reserve(mine, claims) as others:
            assert others != ports


def test_a_failure_while_they_are_held_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), reserve(owner(tmp_path, "mine"), tmp_path / "claims"):
        raise BlockingIOError


def test_ports_are_below_the_ephemeral_ranges() -> None:
    assert FIRST >= 1024
    assert Ports.of_block(LAST - BLOCK).all()[-1] < 30_000
