"""Kernels linked for an image decide without numba what compiled ones decide, and refuse the rest."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None, reason="NOT RUN: linking kernels needs a C compiler"
)
ROOT = Path(__file__).parents[3]
WITHOUT_NUMBA = "import sys; sys.modules['numba'] = None\n"
DECIDE = """
import sys
from bench.instances import committed
from edgewright.agents.policies import policies
from edgewright.agents.rehearsal import rehearse_all
from edgewright.core import kernel
from edgewright.core.evaluate import Evaluator
from edgewright.core.scenarios import STATUS
for instance in committed()[:8]:
    problem = instance.problem()
    for name in ("heuristic", "best-fit", "heft"):
        decision = policies[name]().place(problem, seconds=60.0)
        evaluator = Evaluator(problem, STATUS)
        values = [*evaluator.predict(decision.assign).ravel(), *evaluator.objective(decision.assign)]
        print(name, decision.assign.tolist(), *(float(value).hex() for value in values))
rehearse_all()
assert kernel.COMPILES == (sys.modules["numba"] is not None)
"""
REFUSE = """
import numpy as np
from bench.instances import committed
from edgewright.agents.policies import load
from edgewright.core.draws import queue
from edgewright.core.evaluate import Evaluator
from edgewright.core.paths import shortest_paths
graph = [np.array([0, 1, 1], np.int32), np.array([1], np.int32), np.ones(1), np.zeros(1, np.int32)]
graph += [np.zeros(2), np.zeros(2, bool), np.full((1, 2), -1, np.int32)]
read_only = np.ones(1)
read_only.flags.writeable = False
evaluator = Evaluator(committed()[0].problem())
dag, assign = evaluator.dag, np.zeros(len(evaluator.problem.stage), np.int32)
def refused(what, call, error=TypeError):
    try:
        call()
    except error as refusal:
        print(refusal)
    else:
        print("taken:", what)
def path(argument, value):
    refused(value, lambda: shortest_paths(*graph[:argument], value, *graph[argument + 1 :]))
def predict(dag):
    evaluator.dag = dag
    refused("dag", lambda: evaluator.predict(assign))
path(0, graph[0].astype(np.int64))
path(2, read_only)
path(4, np.zeros(4)[::2])
path(6, graph[6][0])
path(1, [1])
refused("six arguments", lambda: shortest_paths(*graph[:6]))
predict(tuple(dag))
predict(dag._replace(rate=1))
predict(dag._replace(cell=1.0))
predict(dag._replace(cell=True))
predict(dag._replace(pipeline=1))
predict(dag._replace(work=dag.work.astype(np.float32)))
refused("a kernel not linked", lambda: queue(np.zeros(1), np.zeros(1), 1.0), ImportError)
refused("numba", lambda: load("needs_numba:Mine"), ValueError)
predict(dag._replace(rate=np.float64(1.0), cell=np.int64(0), pipeline=np.bool_(dag.pipeline)))
shortest_paths(*graph)
print(graph[6].tolist())
"""
REFUSED = (
    "shortest_paths: first must be a writable, C-contiguous 1-d array of int32, not a 1-d array of int64",
    "weight must be a writable, C-contiguous 1-d array of float64, not a read-only or strided 1-d array",
    "distance must be a writable, C-contiguous 1-d array of float64, not a read-only or strided 1-d array",
    "predecessor must be a writable, C-contiguous 2-d array of int32, not a 1-d array of int32",
    "target must be an array of int32, not list",
    "edgewright.core.paths.shortest_paths takes 7 arguments, not 6",
    "edgewright.core.latency.predict: dag must be DagArrays, not tuple",
    "dag.rate must be float64, not int",
    "dag.cell must be int64, not float",
    "dag.cell must be int64, not bool",
    "dag.pipeline must be bool, not int",
    "dag.work must be a writable, C-contiguous 1-d array of float64, not a 1-d array of float32",
    "kernel edgewright.core.draws._queue is not linked into",
    "policy needs_numba:Mine: import of numba halted",
    "taken: dag",
    "[[-1, 0]]",
)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for Python's path, with the library where the image has it."""
    folder = tmp_path_factory.mktemp("linked")
    library = folder / "edgewright" / "core" / "_kernels.so"
    library.parent.mkdir(parents=True)
    subprocess.run([sys.executable, ROOT / "images" / "link.py", library], check=True)
    return folder


def run(program: str, *path: Path) -> str:
    """What a program prints that has `path` before ours."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), *sys.path, str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_they_decide_to_the_bit_what_compiled_ones_decide(linked: Path) -> None:
    compiled = run("import numba\n" + DECIDE)
    assert compiled.count("heuristic") == 8
    assert run(WITHOUT_NUMBA + DECIDE, linked) == compiled


def test_they_refuse_what_they_were_not_compiled_for(linked: Path, tmp_path: Path) -> None:
    (tmp_path / "needs_numba.py").write_text("import numba\n")
    said = run(WITHOUT_NUMBA + REFUSE, linked, tmp_path).splitlines()
    for line, expected in zip(said, REFUSED, strict=True):
        assert expected in line


def test_without_library_and_numba_it_says_what_to_install() -> None:
    said = run(
        WITHOUT_NUMBA
        + "try:\n    import edgewright.core.paths\nexcept ImportError as error:\n    print(error)"
    )
    assert said.startswith("no kernel has machine code here")
    assert "install numba" in said


def test_a_kernel_called_with_two_kinds_of_arguments_is_not_linked() -> None:
    spec = importlib.util.spec_from_file_location("link", ROOT / "images" / "link.py")
    assert spec is not None
    assert spec.loader is not None
    link = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(link)
    twice = numba.njit(lambda x: x + x)
    assert (twice(1), twice(1.5)) == (2, 3.0)
    with pytest.raises(TypeError, match="has 2 signatures, not one"):
        link.Kernel(twice)
