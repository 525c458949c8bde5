"""Processes are ended only if they are the ones that were started."""

import sys
import time
from pathlib import Path

import pytest

from edgewright.emulation.testbed import processes
from edgewright.emulation.testbed.processes import Process

SLEEPER = [sys.executable, "-c", "import time; time.sleep(300)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)",
]


def test_a_process_is_started_recorded_and_stopped(tmp_path: Path) -> None:
    started = processes.spawn("sleeper", SLEEPER, log=tmp_path / "log", pids=tmp_path / "pids")
    try:
        assert processes.recorded(tmp_path / "pids") == [started]
        assert started.alive
    finally:
        left = processes.stop([started])
    assert left == []
    assert not started.alive


def test_a_recycled_id_is_not_touched(tmp_path: Path) -> None:
    started = processes.spawn("sleeper", SLEEPER, log=tmp_path / "log", pids=tmp_path / "pids")
    try:
        earlier = Process("operator", started.pid, "12345")
        assert not earlier.alive
        processes.stop([earlier], grace=0.0)
        assert started.alive
    finally:
        processes.stop([started])


def test_one_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = processes.spawn("deaf", STUBBORN, log=log, pids=tmp_path / "pids")
    deadline = time.monotonic() + 10
    while "deaf" not in log.read_text():
        assert time.monotonic() < deadline
    assert processes.stop([started], grace=0.1) == []
    assert not started.alive


def test_a_process_runs_until_its_last_thread_has_ended(tmp_path: Path) -> None:
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    process = processes.spawn("p", [sys.executable, "-c", code], log=tmp_path / "log", pids=tmp_path / "pids")
    deadline = time.monotonic() + 20
    while ") Z " not in Path(f"/proc/{process.pid}/stat").read_text():
        assert time.monotonic() < deadline, "its first thread did not end"
        time.sleep(0.01)
    assert process.alive
    assert processes.stop([process], grace=0.0) == []
    assert not process.alive


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    log, pids = tmp_path / "logs" / "hello.log", tmp_path / "pids"
    started = processes.spawn("hello", [sys.executable, "-c", "print('hello')"], log=log, pids=pids)
    deadline = time.monotonic() + 10
    while started.alive:
        assert time.monotonic() < deadline
    assert log.read_text() == "hello\n"


def test_programs_below_a_folder_are_found_without_a_record(tmp_path: Path) -> None:
    program = tmp_path / "bed" / "etcd"
    program.parent.mkdir()
    program.symlink_to("/bin/sleep")
    started = processes.spawn("etcd", [str(program), "300"], log=tmp_path / "log", pids=tmp_path / "pids")
    deadline = time.monotonic() + 10
    try:
        while not (
            found := processes.belonging(tmp_path / "bed")
        ):  # a moment after exec the kernel shows no arguments
            assert time.monotonic() < deadline
        assert found == [started.pid]
        assert processes.belonging(tmp_path / "be") == []
        assert processes.identify([started.pid])[0].alive
    finally:
        processes.stop([started])
    assert processes.belonging(tmp_path / "bed") == []


def test_an_editor_on_a_log_is_not_ours(tmp_path: Path) -> None:
    log = tmp_path / "bed" / "operator.log"
    log.parent.mkdir()
    log.touch()
    watching = processes.spawn(
        "tail", ["/usr/bin/tail", "-f", str(log)], log=tmp_path / "out", pids=tmp_path / "pids"
    )
    try:
        assert processes.belonging(tmp_path / "bed") == []
    finally:
        processes.stop([watching])


@pytest.mark.parametrize("pid", [2**22 + 1, 999_999_999])
def test_an_id_that_nobody_has_is_not_running(pid: int) -> None:
    assert processes.start_time(pid) is None
