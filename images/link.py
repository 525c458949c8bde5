"""Links the kernels of all policies into a Python extension: `python images/link.py FILE.so`."""

import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types

from edgewright.agents.rehearsal import rehearse_all
from edgewright.core import compiled
from edgewright.core.sources import digest

HERE = Path(__file__).parent
WORDS = {
    "address": ("ptr", "const void *"),
    "integer": ("i64", "int64_t"),
    "real": ("double", "double"),
    "truth": ("i8", "uint8_t"),
}
"""The types of the members of link.c's `word`, to LLVM and in C."""
SCALARS = {
    types.int64: ("INTEGER", "integer"),
    types.float64: ("REAL", "real"),
    types.boolean: ("TRUTH", "truth"),
}
RESULTS = {
    types.none: "Py_NewRef(Py_None)",
    types.int64: "PyLong_FromLongLong(result.integer)",
    types.float64: "PyFloat_FromDouble(result.real)",
    types.boolean: "PyBool_FromLong(result.truth)",
}
Item = tuple[str, list[str]]
"""An `item` of link.c as text, and the members of the words that it flattens to."""


def items(path: str, wanted: Any) -> Iterator[Item]:
    """The items of one argument of type `wanted`, its own first; TypeError if link.c takes no such type."""
    if isinstance(wanted, types.BaseNamedTuple):
        yield f'{{TUPLE, {len(wanted)}, 0, "{path}", "{wanted.instance_class.__name__}"}}', []
        for field, part in zip(wanted.fields, wanted, strict=True):
            yield from items(f"{path}.{field}", part)
    elif isinstance(wanted, types.Array) and wanted.layout == "C" and wanted.mutable and wanted.aligned:
        dtype = numba.np.numpy_support.as_dtype(wanted.dtype)
        yield (
            f'{{ARRAY, {wanted.ndim}, {dtype.num}, "{path}", "{dtype}"}}',
            ["address", "address", "integer", "integer", "address"] + ["integer"] * (2 * wanted.ndim),
        )
    elif wanted in SCALARS:
        kind, member = SCALARS[wanted]
        yield f'{{{kind}, 0, 0, "{path}", "{wanted}"}}', [member]
    else:
        raise TypeError(f"{path} is of type {wanted}, which images/link.c does not take")


class Kernel:
    """One compiled entry; TypeError unless it was called with arguments of one kind."""

    def __init__(self, entry: Any) -> None:
        function = entry.py_func
        self.name = f"{function.__module__}.{function.__qualname__}"
        if len(entry.overloads) != 1:
            raise TypeError(f"{self.name} has {len(entry.overloads)} signatures, not one: {entry.signatures}")
        (result,) = entry.overloads.values()
        self._result, self._symbol = result, result.fndesc.llvm_func_name
        arguments = zip(function.__code__.co_varnames, result.signature.args, strict=False)
        self._arguments = [list(items(f"{self.name}: {name}", wanted)) for name, wanted in arguments]

    def machine_code(self, machine: llvm.TargetMachine) -> bytes:
        """An object file of the code that numba runs too, with this kernel as its only symbol."""
        module = llvm.parse_bitcode(self._result.library._get_module_for_linking().as_bitcode())
        for thing in (*module.functions, *module.global_variables):
            if not thing.is_declaration:
                thing.linkage = "external" if thing.name == self._symbol else "internal"
        passes = llvm.create_new_module_pass_manager()
        passes.add_global_dead_code_eliminate_pass()
        passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
        taken = [str(argument.type) for argument in module.get_function(self._symbol).arguments]
        given = ["ptr", "ptr", *(WORDS[member][0] for member in self._members)]
        if taken != given:
            raise TypeError(f"{self.name}: numba's machine code takes {taken}, not {given}")
        return bytes(machine.emit_object(module))

    def source(self, c: str) -> str:
        """C that calls it, as the function `c`."""
        words = ", ".join(f"words[{i}].{member}" for i, member in enumerate(self._members))
        taken = ", ".join(WORDS[member][1] for member in self._members)
        rows = ",\n    ".join(text for argument in self._arguments for text, _ in argument)
        return f"""
static const item {c}_items[] = {{
    {rows}}};
extern int {c}_code(word *, void **, {taken}) __asm__("{self._symbol}");
static PyObject *{c}(PyObject *module, PyObject *const *given, Py_ssize_t count) {{
    word words[{len(self._members)}], result = {{0}};
    void *raised;
    if (!flatten_all("{self.name}", {c}_items, {len(self._arguments)}, given, count, words)) return NULL;
    int status = {c}_code(&result, &raised, {words});
    return answer("{self.name}", status, {RESULTS[self._result.signature.return_type]});
}}
"""

    @property
    def _members(self) -> list[str]:
        return [member for argument in self._arguments for _, members in argument for member in members]


def link(kernels: list[Kernel], library: Path) -> None:
    """Write the extension module `_kernels`, which has a function for each of `kernels` by dotted name."""
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=numba.config.CPU_NAME, features=numba.config.CPU_FEATURES, opt=3, reloc="pic", codemodel="default"
    )
    sources = digest(Path(compiled.__file__).parent)
    methods = "".join(
        f'    {{"{kernel.name}", (PyCFunction)(void (*)(void)){_c(i)}, METH_FASTCALL, NULL}},\n'
        for i, kernel in enumerate(kernels)
    )
    source = f"""#include "{HERE / "link.c"}"
{"".join(kernel.source(_c(i)) for i, kernel in enumerate(kernels))}
static PyMethodDef methods[] = {{
{methods}    {{NULL}}}};
static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, methods}};
PyMODINIT_FUNC PyInit__kernels(void) {{
    import_array();
    PyObject *module = PyModule_Create(&definition);
    if (module && PyModule_AddStringConstant(module, "DIGEST", "{sources}") < 0) Py_CLEAR(module);
    return module;
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder, "calls.c")
        calls.write_text(source)
        objects = [Path(folder, f"{_c(i)}.o") for i in range(len(kernels))]
        for path, kernel in zip(objects, kernels, strict=True):
            path.write_bytes(kernel.machine_code(machine))
        includes = [f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}"]
        flags = ["-O2", "-Wall", "-Werror", "-fPIC", "-shared", "-s"]
        subprocess.run(["cc", *flags, *includes, calls, *objects, "-lm", "-o", library], check=True)


def _c(number: int) -> str:
    return f"kernel_{number}"


if __name__ == "__main__":
    rehearse_all()
    link([Kernel(entry) for entry in compiled._ENTRIES], Path(sys.argv[1]))
