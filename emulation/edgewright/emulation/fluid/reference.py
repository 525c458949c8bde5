"""Named tuples of arrays handed to kernels by reference: a call costs one pointer, whatever they hold.

Numba unboxes a named tuple array by array at every call from Python, and kernels hand every word of it on to
each other. A reference is the address of a table of addresses, shapes and numbers, which a kernel reads where
it uses them. Kernels read a reference as they read the named tuple itself.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba.core import types
from numba.core.extending import NativeValue, infer_getattr, lower_getattr_generic, register_model, unbox
from numba.core.extending import models as data_models
from numba.core.types.containers import BaseNamedTuple
from numba.core.typing.templates import AttributeTemplate
from numba.core.typing.typeof import typeof
from numba.np.arrayobj import make_array, populate_array

_READERS = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
"""Part of every type's name, by which numba finds machine code that it kept: this module writes into it."""
Named = TypeVar("Named", bound=tuple[Any, ...])


class Reference(types.Type):
    """The type of a reference: what the fields are called, their types and their places in the table."""

    def __init__(self, of: BaseNamedTuple) -> None:
        self.fields: dict[str, tuple[types.Type, int]] = {}
        at = 0
        for name, field in zip(of.fields, of.types, strict=True):
            self.fields[name] = field, at
            at += _words_of(field)
        described = ", ".join(f"{name}: {field}" for name, (field, _) in self.fields.items())
        super().__init__(f"Reference {_READERS}({described})")


def _words_of(field: types.Type) -> int:
    """How many 64-bit words of a table a field takes."""
    if isinstance(field, BaseNamedTuple):
        return sum(map(_words_of, field.types))
    if isinstance(field, types.Array) and field.layout == "C" and field.aligned:
        return 1 + int(field.ndim)
    if isinstance(field, Reference) or field in (types.float64, types.int64, types.boolean):
        return 1
    raise TypeError(f"a reference holds C-contiguous arrays, numbers and references, not {field}")


def _words(value: Any) -> Iterator[int]:
    if isinstance(value, tuple):
        for field in value:
            yield from _words(field)
    elif isinstance(value, np.ndarray):
        yield value.ctypes.data
        yield from value.shape
    elif isinstance(value, _Referred):
        yield value.address
    else:
        yield int(np.float64(value).view(np.int64)) if isinstance(value, float) else int(value)


class _Referred:
    """What Python has of a reference."""

    def __init__(self, value: tuple[Any, ...]) -> None:
        self._numba_type_ = Reference(typeof(value))
        self._owner = value  # keeps the arrays where they are
        self._table = np.fromiter(_words(value), np.int64)
        self.address = self._table.ctypes.data


def by_reference(value: Named) -> Named:
    """What kernels, and they alone, take for `value`; the arrays stay shared with it.

    A named tuple within it is handed on as a value, unless it is a reference itself.
    Raises TypeError for what is no C-contiguous array, number, reference or named tuple of them.
    """
    return cast("Named", _Referred(value))


register_model(Reference)(data_models.OpaqueModel)


@unbox(Reference)  # type: ignore[untyped-decorator]
def _address(_: Reference, referred: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(referred, "address")
    pointer = c.pyapi.long_as_voidptr(address)
    c.pyapi.decref(address)
    return NativeValue(pointer)


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = Reference

    def generic_resolve(self, reference: Reference, name: str) -> types.Type | None:
        return reference.fields[name][0] if name in reference.fields else None


@lower_getattr_generic(Reference)  # type: ignore[untyped-decorator]
def _field(context: Any, builder: Any, reference: Reference, table: Any, name: str) -> Any:
    return _read(context, builder, table, *reference.fields[name])


def _read(context: Any, builder: Any, table: Any, field: types.Type, at: int) -> Any:
    """The value of a field, from the words of the table that begin with number `at`."""
    word = context.get_value_type(types.int64)

    def load(number: int, as_: Any = word) -> Any:
        place = builder.gep(
            builder.bitcast(table, word.as_pointer()), [context.get_constant(types.int64, number)]
        )
        found = builder.load(builder.bitcast(place, as_.as_pointer()))
        # Else every store to an array would make a kernel read the table again: it might have changed it.
        found.set_metadata("invariant.load", builder.module.add_metadata([]))
        return found

    if isinstance(field, BaseNamedTuple):
        parts = []
        for part in field.types:
            parts.append(_read(context, builder, table, part, at))
            at += _words_of(part)
        return context.make_tuple(builder, field, parts)
    if isinstance(field, types.Array):
        item = context.get_data_type(field.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(item))
        shape, strides = [load(at + 1 + axis) for axis in range(field.ndim)], [size]
        for length in shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length))
        array = make_array(field)(context, builder)
        data = load(at, item.as_pointer())
        populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
        return array._getvalue()
    if field == types.boolean:
        return builder.trunc(load(at), context.get_value_type(field))
    return load(at, context.get_value_type(field))
