"""The linear model of one DAG's placement: who is where, which pairs talk, and the longest path of means."""

from typing import NamedTuple

import numpy as np

from edgewright.agents.policies.linear_program import LinearProgram, Terms
from edgewright.core.arrays import EVEN
from edgewright.core.candidates import candidates
from edgewright.core.feasibility import Gate
from edgewright.core.masks import EPSILON
from edgewright.core.problem import UNPLACED
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.tables import make_tables, single_scenario
from edgewright.core.units import MS

NODES = 40
"""Nodes that one model looks at; of more, those nearest and fastest are candidates."""
PATHS = 256
"""Visits told apart by how often their calls happen; beyond, fractional calls count by their mean."""

FOREVER = 1e3
"""Seconds that stand for a path that does not exist: solvers take no infinity."""


class Model(NamedTuple):
    """A programme, and what its columns mean."""

    programme: LinearProgram
    slots: list[tuple[IntArray, IntArray]]
    """Per slot its columns (n,) and the nodes (n,) that they stand for."""
    total: int
    """The column to minimise: the request's latency in milliseconds."""
    proves: bool
    """Whether its least value is a lower bound of the mean latency of every feasible placement."""

    def columns(self, assign: IntArray) -> IntArray:
        """The columns that are 1 in a placement (S,); none where it uses a node that the model leaves out."""
        chosen = [at[nodes == node] for (at, nodes), node in zip(self.slots, assign, strict=True)]
        return np.concatenate(chosen) if all(len(one) for one in chosen) else np.zeros(0, np.int32)

    def placement(self, values: FloatArray) -> IntArray:
        """(S,) the nodes of a solution."""
        return np.array([nodes[values[at].argmax()] for at, nodes in self.slots], np.int32)


def build(gate: Gate) -> Model:
    """The model of `gate`'s problem, in which every stage has a slot and every slot a node."""
    dag, stage = gate.evaluator.dag, gate.problem.stage
    several = np.bincount(stage, minlength=len(dag.work)) > 1
    even = not (several & (dag.traffic != EVEN)).any()
    programme = LinearProgram()
    places = _Places(gate, programme)
    way = _Way(places)
    total = way.total()
    if even:
        places.limit_utilisation()
    few = gate.mask.shape[1] <= NODES
    return Model(programme, places.slots, total, proves=few and even and way.told_apart)


class _Places:
    """x, a slot is on a node; y, a transfer uses a pair of them (x times x, linearised by its sums)."""

    def __init__(self, gate: Gate, programme: LinearProgram) -> None:
        self.gate, self.programme, self.dag = gate, programme, gate.evaluator.dag
        chosen = candidates(gate, NODES)
        self.tables = make_tables(gate, chosen, single_scenario(len(self.dag.work) + len(self.dag.source)))
        stage = gate.problem.stage
        self.of = [np.flatnonzero(stage == m).tolist() for m in range(len(self.dag.work))]
        self.slots: list[tuple[IntArray, IntArray]] = []
        for slot, m in enumerate(stage.tolist()):
            nodes = np.flatnonzero(gate.mask[slot] & chosen[m]).astype(np.int32)
            self.slots.append((programme.columns(len(nodes), upper=1.0, whole=True), nodes))
            programme.row([(self.slots[slot][0], np.ones(len(nodes)))], lower=1.0, upper=1.0)
        self.pairs = {
            t: [self._pair(t, a, b) for a in self.of[self.dag.source[t]] for b in self.of[self.dag.target[t]]]
            for t in self._forward()
        }
        self._limit_capacity()
        self._keep_apart()

    def _forward(self) -> list[int]:
        """Transfers between stages, responses apart: these use the same pairs."""
        responses = set(self.dag.back.tolist())
        inner = (self.dag.source >= 0) & (self.dag.target >= 0)
        return [t for t in np.flatnonzero(inner).tolist() if t not in responses]

    def rows(self, t: int, a: int | None, b: int | None) -> IntArray:
        """Pairs in the tables' layout of transfer t from slot a to slot b, (n_a, n_b); None: the users."""
        lay, row = self.tables.lay, self.tables.row
        source, target = self.dag.source[t], self.dag.target[t]
        first = row[source, self.slots[a][1]] if a is not None else np.zeros(1, np.int32)
        second = row[target, self.slots[b][1]] if b is not None else np.zeros(1, np.int32)
        width = lay.placed[target] if target >= 0 else 1
        found: IntArray = lay.pair_start[t] + first[:, None] * width + second[None, :]
        return found

    def _pair(self, t: int, a: int, b: int) -> IntArray:
        """Columns (n_a, n_b); a pair whose path is missing or too narrow stays 0."""
        (first, nodes), (second, others) = self.slots[a], self.slots[b]
        cap = self.tables.lay.cap[self.rows(t, a, b)]
        upper = np.where((cap > 0) & (cap >= self.dag.min_bandwidth[t]), 1.0, 0.0)
        y = self.programme.columns(upper.size, upper=upper.ravel()).reshape(len(nodes), len(others))
        for columns, x in ((y, first), (y.T, second)):
            for line, one in zip(columns, x, strict=True):
                terms = [(line, np.ones(len(line))), (np.array([one], np.int32), np.array([-1.0]))]
                self.programme.row(terms, lower=0.0, upper=0.0)
        return y

    def _limit_capacity(self) -> None:
        gate = self.gate
        for node, r in np.argwhere(gate.request[gate.problem.free].sum(axis=0) > gate.free).tolist():
            terms: Terms = []
            for slot in gate.problem.free.tolist():
                columns, nodes = self.slots[slot]
                here = columns[nodes == node]
                if len(here) and gate.request[slot, r] > 0:
                    terms.append((here, np.full(len(here), gate.request[slot, r])))
            if terms:
                self.programme.row(terms, upper=max(gate.free[node, r], 0.0) * (1 + EPSILON))

    def _keep_apart(self) -> None:
        """At most one replica of a stage per key; fixed ones that already share one are left alone."""
        for m, slots in enumerate(self.of):
            for key in np.unique(self.gate.apart[m]).tolist() if len(slots) > 1 else ():
                here = [self.slots[s][0][self.gate.apart[m][self.slots[s][1]] == key] for s in slots]
                settled = sum(
                    len(h) > 0 and self.gate.fixed[s] != UNPLACED for h, s in zip(here, slots, strict=True)
                )
                if key >= 0 and settled < 2 and sum(map(len, here)) > 1:
                    self.programme.row([(h, np.ones(len(h))) for h in here if len(h)], upper=1.0)

    def limit_utilisation(self) -> None:
        """The load on every station that could get too much: linear in x and y for even traffic."""
        gate, infra = self.gate, self.gate.evaluator.infra
        room = np.maximum(gate.most - gate.evaluator.load.rho, 0.0)
        loads: dict[int, Terms] = {}
        worst = np.zeros(len(room))
        for stations, columns, load in self._loads():
            most = np.zeros(len(room))
            np.maximum.at(most, stations, load)
            worst += most
            order = np.argsort(stations, kind="stable")
            cut = np.flatnonzero(np.diff(stations[order])) + 1
            for part in np.split(order, cut) if len(order) else ():
                loads.setdefault(int(stations[part[0]]), []).append((columns[part], load[part]))
        for station in np.flatnonzero(worst > room).tolist():
            if station < len(infra.capacity) - 1:
                self.programme.row(loads[station], upper=room[station] * (1 + EPSILON))

    def _loads(self) -> list[tuple[IntArray, IntArray, FloatArray]]:
        """(stations, columns, utilisation) of every slot, pair of slots, and transfer with the users."""
        dag, infra, lay = self.dag, self.gate.evaluator.infra, self.tables.lay
        found = []
        for m, slots in enumerate(self.of):
            work = dag.rate * dag.visits[m] * dag.work[m] / len(slots)
            for slot in slots:
                columns, nodes = self.slots[slot]
                found.append((nodes, columns, work / infra.capacity[nodes]))
        for t in range(len(dag.source)):
            for pairs, columns, share in self.uses(t):
                stations = lay.route[pairs]
                on = np.arange(stations.shape[1]) < lay.hops[pairs][:, None]
                rate = infra.capacity[stations]
                cell = (stations >= 3 * infra.nodes) & (stations < 5 * infra.nodes)
                bits = dag.rate * dag.times[t] * dag.size[t] * share
                load = bits / np.where(cell, dag.cell_rate, rate)
                found.append((stations[on], np.broadcast_to(columns[:, None], on.shape)[on], load[on]))
        return found

    def uses(self, t: int) -> list[tuple[IntArray, IntArray, float]]:
        """(pairs, columns, share of the traffic) of transfer t, per pair of slots."""
        dag = self.dag
        source, target = int(dag.source[t]), int(dag.target[t])
        if source < 0 or target < 0:
            slots = self.of[max(source, target)]
            ends = [(None, s) if source < 0 else (s, None) for s in slots]
            return [
                (self.rows(t, a, b).ravel(), self.slots[s][0], 1.0 / len(slots))
                for (a, b), s in zip(ends, slots, strict=True)
            ]
        call = int(np.flatnonzero(dag.back == t)[0]) if t not in self.pairs else t
        share = 1.0 / (len(self.of[source]) * len(self.of[target]))
        found = []
        ends = [(a, b) for a in self.of[dag.source[call]] for b in self.of[dag.target[call]]]
        for (a, b), y in zip(ends, self.pairs[call], strict=True):
            if call == t:
                found.append((self.rows(t, a, b).ravel(), y.ravel(), share))
            else:
                found.append((self.rows(t, b, a).ravel(), y.T.ravel(), share))
        return found


class _Way:
    """The request's way through the DAG backwards: time from the start of a stage to its end at the users."""

    def __init__(self, places: _Places) -> None:
        self._places, self._dag = places, places.dag
        self._programme, self._table = places.programme, places.gate.evaluator.table
        self._known: dict[tuple[int, bytes], int] = {}
        self.told_apart = True

    def total(self) -> int:
        """The column of the latency: at least the longest way from the users through each source and back."""
        dag, M = self._dag, len(self._dag.work)
        once = np.ones(self._table.work.shape[1])
        total = self._column()
        first = dag.outward_start[M]
        for e in range(first, dag.outward_start[M + 1]):
            t = int(dag.outward[e])
            terms = [*self._transfer(t, once), self._one(self._rest(int(dag.target[t]), once))]
            if not dag.pipeline:
                terms += self._transfer(int(dag.inward[dag.inward_start[M] + e - first]), once)
            self._at_least(total, terms)
        return total

    def _rest(self, m: int, visits: FloatArray) -> int:
        """The column of stage m's time, own and after it, weighted by `visits` (K,) in each scenario."""
        key = m, visits.tobytes()
        if key in self._known:
            return self._known[key]
        dag = self._dag
        rest, longest = self._column(), self._column()
        terms = [*self._stage(m, visits), self._one(longest)]
        for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]].tolist():
            if dag.target[t] < 0:
                if dag.pipeline:
                    self._at_least(longest, self._transfer(t, visits))
                continue
            calls, made = self._calls(t, visits)
            trip = [*self._transfer(t, made), self._one(self._rest(int(dag.target[t]), made))]
            if not dag.pipeline:
                trip += self._transfer(int(dag.back[t]), made)
            trip = [(columns, calls * weight) for columns, weight in trip]
            if dag.pipeline or dag.parallel[t]:
                self._at_least(longest, trip)
            else:
                terms += trip
        self._at_least(rest, terms)
        self._known[key] = rest
        return rest

    def _calls(self, t: int, visits: FloatArray) -> tuple[float, FloatArray]:
        """How often each call of t counts, and the visits (K,) that it makes of its target."""
        calls = 1.0 if self._dag.pipeline else float(self._dag.calls[t])
        some = calls - np.floor(calls)
        if some == 0.0:
            return calls, visits
        if len(self._known) > PATHS:
            self.told_apart = False
            return calls, visits
        return 1.0, visits * (np.floor(calls) + (self._table.call[t] < some))

    def _stage(self, m: int, visits: FloatArray) -> Terms:
        lay, table = self._places.tables.lay, self._table
        size, wait, once = self._least(visits, self._picks(m), table.work[m], table.work_wait[m])
        terms = []
        for slot in self._places.of[m]:
            columns, nodes = self._places.slots[slot]
            at = lay.start[m] + self._places.tables.row[m, nodes]
            seconds = size * lay.stage_ideal[at] + wait * lay.stage_wait[at] + once * lay.stage_fixed[at]
            terms.append((columns, seconds / MS))
        return terms

    def _transfer(self, t: int, visits: FloatArray) -> Terms:
        lay, table, dag = self._places.tables.lay, self._table, self._dag
        source, target = self._picks(int(dag.source[t])), self._picks(int(dag.target[t]))
        picks = (source[:, None, :] * target[None, :, :]).reshape(-1, source.shape[1])
        size, wait, once = self._least(visits, picks, table.payload[t], table.payload_wait[t])
        terms = []
        for pairs, columns, _ in self._places.uses(t):
            seconds = size * lay.ideal[pairs] + wait * lay.wait[pairs]
            reached = np.isfinite(lay.fixed[pairs])
            seconds = np.where(reached, seconds + once * np.where(reached, lay.fixed[pairs], 0.0), FOREVER)
            terms.append((columns, seconds / MS))
        return terms

    def _picks(self, m: int) -> FloatArray:
        """(R, K) 1 where a request picks the i-th of a stage's replicas; the users are one."""
        count = len(self._places.of[m]) if m >= 0 else 1
        chosen = (self._table.choice[max(m, 0)] * count).astype(int)
        picks: FloatArray = (chosen[None, :] == np.arange(count)[:, None]).astype(float)
        return picks

    @staticmethod
    def _least(
        visits: FloatArray, picks: FloatArray, size: FloatArray, wait: FloatArray
    ) -> tuple[float, float, float]:
        """Mean factors of ideal time, wait and delay for the rank among replicas where each is least."""
        weight = picks * visits / len(visits)
        return tuple(float((weight @ factor).min()) for factor in (size, wait, np.ones(len(visits))))  # type: ignore[return-value]

    def _column(self) -> int:
        return int(self._programme.columns(1)[0])

    def _at_least(self, column: int, terms: Terms) -> None:
        self._programme.row([self._one(column), *((at, -weight) for at, weight in terms)], lower=0.0)

    @staticmethod
    def _one(column: int) -> tuple[IntArray, FloatArray]:
        return np.array([column], np.int32), np.ones(1)
