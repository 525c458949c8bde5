"""A genetic search over node assignments, the field's usual comparison; operators by the library deap."""

import importlib.util
import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgewright.agents.policies.verdict import Verdict
from edgewright.agents.policy import library
from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate
from edgewright.core.problem import Decision, Problem
from edgewright.core.scenarios import SEARCH
from edgewright.core.substrate import FloatArray, IntArray

POPULATION, GENERATIONS = 80, 120
"""After which the search ends; sooner when the time is up."""
TOURNAMENT = 3
"""Individuals of which the best becomes a parent."""
CROSSOVER, MUTATION = 0.7, 0.3
"""Probability that a pair is crossed, and that an individual is mutated (one gene of it on average)."""
ELITE = 2
"""Best individuals that survive unchanged."""
CHECKED = 8
"""Best individuals ever found that get the full check."""


class Genetic:
    """Tournament selection, uniform crossover and uniform mutation of the free slots' nodes.

    Fitness is what the placement breaks, then core's search objective, compared in this order. The same
    problem and seed give the same answer unless `seconds` end the search before its generations do.
    """

    name = "genetic"

    def __init__(self) -> None:
        library(self.name, "deap.tools")

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Evolve for 120 generations of 80 or about `seconds`, then check the best."""
        verdict = Verdict(problem, self.name)
        gate = Gate(Evaluator(problem, SEARCH))
        if not len(problem.free):
            return verdict.best(problem.fixed[None, :]) or verdict.refused(problem.fixed)
        if not gate.mask.any(axis=1).all():
            return verdict.refused()
        found = _evolve(_Breeding(gate), verdict, seconds)
        return verdict.best(found) or verdict.refused(found[0])


def _evolve(breeding: "_Breeding", verdict: Verdict, seconds: float) -> IntArray:
    """(B, S) the best distinct placements found, best first."""
    box, best = breeding.box, library(Genetic.name, "deap.tools").HallOfFame(CHECKED)
    population = [breeding.random() for _ in range(POPULATION)]
    for generation in range(GENERATIONS + 1):
        fresh = [one for one in population if not one.fitness.valid]
        if fresh:
            verdict.evaluations += len(fresh)
            breeding.judge(fresh)
        best.update(population)
        if generation == GENERATIONS or verdict.seconds > seconds:
            break
        parents = box.select(population, POPULATION - ELITE)
        population = [box.clone(one) for one in best[:ELITE]] + box.vary(parents)
    return breeding.placements(best)


class _Individual(list[int]):
    """One gene per free slot: the place of its node among those that the slot may use."""

    fitness: Any


class _Breeding:
    """deap's operators, drawing from a stream of their own instead of Python's global one."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._free = gate, gate.problem.free
        self._open = [np.flatnonzero(gate.mask[slot]) for slot in self._free]
        self._stream = random.Random(gate.problem.seed)
        base = library(Genetic.name, "deap.base")
        self._fitness = type("Fitness", (base.Fitness,), {"weights": (-1.0, -1.0)})
        selection, crossover, mutation, algorithms = (
            self._private(f"deap.{name}")
            for name in ("tools.selection", "tools.crossover", "tools.mutation", "algorithms")
        )
        last = [len(nodes) - 1 for nodes in self._open]
        self.box: Any = base.Toolbox()
        self.box.register("clone", self._clone)
        self.box.register("select", selection.selTournament, tournsize=TOURNAMENT)
        self.box.register("mate", crossover.cxUniform, indpb=0.5)
        self.box.register(
            "mutate", mutation.mutUniformInt, low=[0] * len(last), up=last, indpb=1.0 / len(last)
        )
        self.box.register("vary", algorithms.varAnd, toolbox=self.box, cxpb=CROSSOVER, mutpb=MUTATION)

    def random(self) -> _Individual:
        """An individual of uniformly drawn genes, not judged yet."""
        return self._make(self._stream.randrange(len(nodes)) for nodes in self._open)

    def judge(self, individuals: Sequence[_Individual]) -> None:
        """Set each one's fitness: capacity exceeded (in shares of nodes) plus 1 if infeasible, then J."""
        assign = self.placements(individuals)
        broken = self._excess(assign) + ~self._gate.feasible(assign, others=False)
        for one, values in zip(
            individuals, zip(broken, self._gate.evaluator.search(assign), strict=True), strict=True
        ):
            one.fitness.values = tuple(float(value) for value in values)

    def placements(self, individuals: Sequence[_Individual]) -> IntArray:
        """(B, S) node indices."""
        assign = np.tile(self._gate.problem.fixed, (len(individuals), 1)).astype(np.int32)
        genes = np.array(individuals, np.int32)
        for column, (slot, nodes) in enumerate(zip(self._free, self._open, strict=True)):
            assign[:, slot] = nodes[genes[:, column]]
        return assign

    def _excess(self, assign: IntArray) -> FloatArray:
        gate, rows = self._gate, np.arange(len(assign))
        taken = np.zeros((len(assign), *gate.free.shape))
        for slot in self._free:
            taken[rows, assign[:, slot]] += gate.request[slot]
        capacity = np.maximum(gate.problem.world.substrate.capacity, 1e-12)
        over: FloatArray = (np.maximum(taken - np.maximum(gate.free, 0.0), 0.0) / capacity).sum(axis=(1, 2))
        return over

    def _make(self, genes: Iterable[int]) -> _Individual:
        individual = _Individual(genes)
        individual.fitness = self._fitness()
        return individual

    def _clone(self, parent: _Individual) -> _Individual:
        child = self._make(parent)
        child.fitness.wvalues = parent.fitness.wvalues
        return child

    def _private(self, name: str) -> Any:
        """A copy of one of deap's modules whose `random` is our stream."""
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.random = self._stream
        return module
