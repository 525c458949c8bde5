"""A mixed-integer linear programme, row by row, and its solution by HiGHS."""

from typing import Any, NamedTuple

import numpy as np

from edgewright.core.substrate import FloatArray, IntArray

Terms = list[tuple[IntArray, FloatArray]]
"""A linear expression: columns, and their coefficients."""
GAP = 1e-4
"""Relative gap at which HiGHS stops."""


class Solution(NamedTuple):
    """What was found in time."""

    values: FloatArray | None
    """(columns,) of the best solution; None where none was found."""
    bound: float
    """Proven least value of the objective; infinite where there is no solution at all."""


class LinearProgram:
    """Minimises one column subject to rows of lower <= expression <= upper."""

    def __init__(self) -> None:
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        self._whole: list[FloatArray] = []
        self._count = 0
        self._rows: list[tuple[IntArray, FloatArray]] = []
        self._bounds: list[tuple[float, float]] = []

    def columns(self, count: int, *, upper: FloatArray | float = np.inf, whole: bool = False) -> IntArray:
        """(count,) new columns from 0 to `upper`, integer if `whole`."""
        self._lower.append(np.zeros(count))
        self._upper.append(np.broadcast_to(np.asarray(upper, float), count))
        self._whole.append(np.full(count, whole))
        self._count += count
        return np.arange(self._count - count, self._count, dtype=np.int32)

    def row(self, terms: Terms, *, lower: float = -np.inf, upper: float = np.inf) -> None:
        """lower <= sum of terms <= upper; a column may occur more than once."""
        columns = np.concatenate([c for c, _ in terms])
        at, place = np.unique(columns, return_inverse=True)
        weight = np.bincount(place, np.concatenate([w for _, w in terms]), len(at))
        self._rows.append((at.astype(np.int32), weight.astype(float)))
        self._bounds.append((lower, upper))

    def minimise(self, highspy: Any, column: int, start: IntArray, seconds: float, seed: int) -> Solution:
        """Solve on one thread for about `seconds`, from integer columns `start` at 1 and the others at 0."""
        solver = highspy.Highs()
        for option, value in {
            "output_flag": False,
            "threads": 1,
            "random_seed": seed % 2**31,
            "time_limit": max(seconds, 1e-3),
            "mip_rel_gap": GAP,
        }.items():
            solver.setOptionValue(option, value)
        solver.passModel(self._model(highspy, column))
        if len(start):
            whole = np.flatnonzero(np.concatenate(self._whole)).astype(np.int32)
            solver.setSolution(len(whole), whole, np.isin(whole, start).astype(float))
        solver.run()
        status, info = solver.getModelStatus(), solver.getInfo()
        if status == highspy.HighsModelStatus.kInfeasible:
            return Solution(None, np.inf)
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        values = np.array(solver.getSolution().col_value) if found else None
        return Solution(values, float(info.mip_dual_bound))

    def _model(self, highspy: Any, column: int) -> Any:
        model = highspy.HighsLp()
        cost = np.zeros(self._count)
        cost[column] = 1.0
        model.num_col_, model.num_row_ = self._count, len(self._rows)
        model.col_cost_ = cost
        model.col_lower_, model.col_upper_ = np.concatenate(self._lower), np.concatenate(self._upper)
        model.row_lower_ = np.array([low for low, _ in self._bounds])
        model.row_upper_ = np.array([high for _, high in self._bounds])
        types = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
        model.integrality_ = [types[int(whole)] for whole in np.concatenate(self._whole)]
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.append(0, np.cumsum([len(at) for at, _ in self._rows])).astype(np.int32)
        model.a_matrix_.index_ = np.concatenate([at for at, _ in self._rows])
        model.a_matrix_.value_ = np.concatenate([weight for _, weight in self._rows])
        return model
