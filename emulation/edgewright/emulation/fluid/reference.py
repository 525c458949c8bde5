"""Named tuples of arrays handed to kernels by reference: a call costs one pointer, whatever they hold.

Numba unboxes a named tuple array by array at every call from Python, and kernels pass every word of it on to
each other. A reference is the address of the arrays' addresses and shapes, read where a kernel uses one.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba.core import types
from numba.core.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    unbox,
)
from numba.core.typing.templates import AttributeTemplate
from numba.core.typing.typeof import typeof
from numba.np.arrayobj import make_array, populate_array

Named = TypeVar("Named", bound=NamedTuple)


class Reference(types.Type):  # type: ignore[misc]
    """The type of a reference to a named tuple: of its fields' names and types, so that caches tell it."""

    def __init__(self, of: types.BaseNamedTuple) -> None:
        self.fields, at, described = {}, 0, []
        for name, type_ in zip(of.fields, of.types, strict=True):
            field = Reference(type_) if isinstance(type_, types.BaseNamedTuple) else type_
            self.fields[name] = field, at
            described.append(f"{name}: {field}")
            at += _size(field)
        self.size = at
        super().__init__(f"Reference({of.instance_class.__qualname__}, {', '.join(described)})")


def _size(field: types.Type) -> int:
    """Words of a field: an array has an address and a shape."""
    if isinstance(field, Reference):
        return field.size
    if isinstance(field, types.Array) and field.layout == "C" and field.aligned:
        return 1 + int(field.ndim)
    if field in (types.float64, types.int64, types.boolean):
        return 1
    raise TypeError(f"a reference holds C-contiguous arrays, floats, integers and booleans, no {field}")


def _words(value: Any) -> Iterator[int]:
    if isinstance(value, tuple):
        for each in value:
            yield from _words(each)
    elif isinstance(value, np.ndarray):
        yield value.ctypes.data
        yield from value.shape
    else:
        yield int(np.float64(value).view(np.int64)) if isinstance(value, float) else int(value)


class _Held:
    """What numba takes for a reference."""

    def __init__(self, value: tuple[Any, ...]) -> None:
        self._numba_type_ = Reference(typeof(value))
        self._value = value  # owns the arrays
        self._words = np.fromiter(_words(value), np.int64)
        self.address = self._words.ctypes.data


def by_reference(value: Named) -> Named:
    """What kernels read like `value`, and write its arrays; Python cannot read it.

    Raises TypeError for a field that is no C-contiguous array, number or named tuple of them.
    """
    return cast("Named", _Held(value))


register_model(Reference)(models.OpaqueModel)


@unbox(Reference)
def _unbox(type_: Reference, held: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(held, "address")
    pointer = c.pyapi.long_as_voidptr(address)
    c.pyapi.decref(address)
    return NativeValue(pointer)


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = Reference

    def generic_resolve(self, type_: Reference, name: str) -> types.Type | None:
        return type_.fields[name][0] if name in type_.fields else None


@lower_getattr_generic(Reference)
def _field(context: Any, builder: Any, type_: Reference, pointer: Any, name: str) -> Any:
    field, at = type_.fields[name]
    word = context.get_value_type(types.intp)

    def place(i: int) -> Any:
        return builder.gep(
            builder.bitcast(pointer, word.as_pointer()), [context.get_constant(types.intp, at + i)]
        )

    def load(i: int, as_: Any) -> Any:
        loaded = builder.load(builder.bitcast(place(i), as_.as_pointer()))
        # Nobody writes words: without this, each store to an array would make kernels read all of them again.
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    if isinstance(field, Reference):
        return builder.bitcast(place(0), context.get_value_type(field))
    if not isinstance(field, types.Array):
        return context.cast(builder, load(0, word), types.intp, field) if field != types.float64 else load(0, context.get_value_type(field))
    array = make_array(field)(context, builder)
    shape = [load(1 + axis, word) for axis in range(field.ndim)]
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(field.dtype)))
    strides = [itemsize]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    data = load(0, context.get_data_type(field.dtype).as_pointer())
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()
