"""Lanes for numba: a type of its own, held in the processor's vector registers."""

import operator
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import PrimitiveModel
from numba.core.errors import TypingError
from numba.core.extending import intrinsic, lower_builtin, register_model
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.np.arrayobj import make_array

from edgewright.core.scenarios import LANES

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_INDEX = ir.IntType(32)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("Lanes")


_lanes = _Lanes()


@register_model(_Lanes)
class _Model(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _shuffled(builder: Any, vector: Any, order: list[int], other: Any = None) -> Any:
    """Numbers of a vector, and of another that is counted on behind it."""
    return builder.shuffle_vector(
        vector, other or vector, ir.Constant(ir.VectorType(_INDEX, len(order)), order)
    )


def _spread(builder: Any, number: Any) -> Any:
    """A number in all lanes; lanes as they are."""
    if number.type == _VECTOR:
        return number
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(_INDEX, 0))
    return _shuffled(builder, one, [0] * LANES)


def _calculates(operation: Any, instruction: str) -> None:
    """Teach numba an operator on lanes, or on lanes and a number."""
    operands = [(_lanes, _lanes), (_lanes, types.float64), (types.float64, _lanes)]

    class Template(ConcreteTemplate):  # type: ignore[misc]
        key = operation
        cases = [signature(_lanes, *pair) for pair in operands]  # noqa: RUF012

    def lower(_: Any, builder: Any, __: Any, given: Any) -> Any:
        operands = (_spread(builder, number) for number in given)
        return getattr(builder, instruction)(*operands, flags=("contract",))

    infer_global(operation)(Template)
    for pair in operands:
        lower_builtin(operation, *pair)(lower)


_calculates(operator.add, "fadd")
_calculates(operator.sub, "fsub")
_calculates(operator.mul, "fmul")
_calculates(operator.truediv, "fdiv")


def _instruction(build: Any) -> Any:
    """What kernels call; numba calls `build` with the types of the arguments."""
    return intrinsic(build)


def _packed(kind: Any, dimensions: int, what: str) -> Any:
    """The type of an array that lanes may lie in; TypingError for any other."""
    if (
        not isinstance(kind, types.Array)
        or kind.ndim != dimensions
        or kind.layout != "C"
        or kind.dtype != types.float64
    ):
        raise TypingError(f"{what} lie in contiguous rows of float64, not in {kind}")
    return kind


def _row(kind: Any) -> Any:
    return _packed(kind, 1, "lanes")


def _place(context: Any, builder: Any, kind: Any, array: Any, first: Any, vector: Any = _VECTOR) -> Any:
    """Where lanes lie in an array."""
    data = make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [first]), vector.as_pointer())


@_instruction
def take(_: Any, array: Any, first: Any) -> Any:
    """The numbers from `first` on of an array of one dimension."""

    def build(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        at = context.cast(builder, given[1], sig.args[1], types.intp)
        return builder.load(_place(context, builder, array, given[0], at), align=8)

    return signature(_lanes, _row(array), first), build


@_instruction
def put(_: Any, array: Any, first: Any, lanes: Any) -> Any:
    """Write lanes to an array of one dimension from `first` on."""

    def build(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        at = context.cast(builder, given[1], sig.args[1], types.intp)
        builder.store(given[2], _place(context, builder, array, given[0], at), align=8)
        return context.get_dummy_value()

    return signature(types.none, _row(array), first, lanes), build


@_instruction
def alike(_: Any, number: Any) -> Any:
    """One number in all lanes."""
    return signature(_lanes, types.float64), lambda _, builder, __, given: _spread(builder, given[0])


def _choice(order: str) -> Any:
    def choose(_: Any, a: Any, b: Any) -> Any:
        def build(_: Any, builder: Any, __: Any, given: Any) -> Any:
            return builder.select(builder.fcmp_ordered(order, *given), *given)

        return signature(_lanes, _lanes, _lanes), build

    return choose


larger = _instruction(_choice(">"))
"""The larger number of two in each lane."""
smaller = _instruction(_choice("<"))
"""The smaller number of two in each lane."""


@_instruction
def where_less(_: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """`then` in each lane where a < b, else `otherwise`; each of them lanes or a number."""

    def build(_: Any, builder: Any, __: Any, given: Any) -> Any:
        a, b, then, otherwise = (_spread(builder, number) for number in given)
        return builder.select(builder.fcmp_ordered("<", a, b), then, otherwise)

    return signature(_lanes, a, b, then, otherwise), build


_WHOLE = ir.VectorType(ir.IntType(64), LANES)
_SMALL = ir.VectorType(ir.IntType(32), LANES)
_FRACTION_BITS = 52
_ONE, _HALF_ROOT = 0x3FF0000000000000, 0x3FE6A09E667F3BCD
"""The bits of 1 and of sqrt(1/2)."""


def _all(number: int) -> Any:
    return ir.Constant(_WHOLE, [number] * LANES)


def _exponent(builder: Any, lanes: Any) -> tuple[Any, Any]:
    """The bits of positive numbers, and the exponent of the power of two nearest to each, plus 1,023."""
    bits = builder.bitcast(lanes, _WHOLE)
    return bits, builder.lshr(builder.add(bits, _all(_ONE - _HALF_ROOT)), _all(_FRACTION_BITS))


@_instruction
def exponent(_: Any, lanes: Any) -> Any:
    """e of x = 2^e f with f from sqrt(1/2) to sqrt(2); -1,023 of 0."""

    def build(_: Any, builder: Any, __: Any, given: Any) -> Any:
        _, power = _exponent(builder, given[0])
        small = builder.sub(builder.trunc(power, _SMALL), ir.Constant(_SMALL, [1023] * LANES))
        return builder.sitofp(small, _VECTOR)

    return signature(_lanes, lanes), build


@_instruction
def fraction(_: Any, lanes: Any) -> Any:
    """f of x = 2^e f; 1 of 0."""

    def build(_: Any, builder: Any, __: Any, given: Any) -> Any:
        bits, power = _exponent(builder, given[0])
        shift = builder.shl(builder.sub(power, _all(1023)), _all(_FRACTION_BITS))
        return builder.bitcast(builder.sub(bits, shift), _VECTOR)

    return signature(_lanes, lanes), build


@_instruction
def whole(_: Any, lanes: Any) -> Any:
    """The whole part of numbers of at most nine digits."""

    def build(_: Any, builder: Any, __: Any, given: Any) -> Any:
        return builder.sitofp(builder.fptosi(given[0], _SMALL), _VECTOR)

    return signature(_lanes, lanes), build


@_instruction
def two_to(_: Any, lanes: Any) -> Any:
    """2^e for whole numbers e from -1,022 to 1,023."""

    def build(_: Any, builder: Any, __: Any, given: Any) -> Any:
        power = builder.sext(builder.fptosi(given[0], _SMALL), _WHOLE)
        return builder.bitcast(builder.shl(builder.add(power, _all(1023)), _all(_FRACTION_BITS)), _VECTOR)

    return signature(_lanes, lanes), build


@_instruction
def put_columns(_: Any, rows: Any, first: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Write lanes as the columns of an array (., 4), from row `first` on."""

    def build(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        at = context.cast(builder, given[1], sig.args[1], types.intp)
        at = builder.mul(at, ir.Constant(at.type, 4))
        behind = list(range(2 * LANES))
        left = _shuffled(builder, given[2], behind, given[3])
        right = _shuffled(builder, given[4], behind, given[5])
        by_row = [column * LANES + row for row in range(LANES) for column in range(4)]
        mixed = _shuffled(builder, left, by_row, right)
        builder.store(mixed, _place(context, builder, rows, given[0], at, mixed.type), align=8)
        return context.get_dummy_value()

    return signature(types.none, _packed(rows, 2, "columns"), first, a, b, c, d), build


@_instruction
def total(_: Any, lanes: Any) -> Any:
    """The sum of all lanes, always in the same order."""

    def build(_: Any, builder: Any, __: Any, given: Any) -> Any:
        sums, width = given[0], LANES
        while width > 1:
            width //= 2
            low, high = list(range(width)), list(range(width, 2 * width))
            sums = builder.fadd(_shuffled(builder, sums, low), _shuffled(builder, sums, high))
        return builder.extract_element(sums, ir.Constant(_INDEX, 0))

    return signature(types.float64, lanes), build
