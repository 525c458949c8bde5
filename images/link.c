/* Calls of linked kernels from Python: checks arguments, and flattens them as numba's machine code takes them.
   images/link.py includes this file and appends a table of arguments and a function per kernel. */
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

typedef union {
    const void *address;
    int64_t integer;
    double real;
    uint8_t truth;
} word;

/* An argument or a field of one; the fields of a tuple follow it. */
typedef struct {
    enum { TUPLE, ARRAY, INTEGER, REAL, TRUTH } kind;
    int size; /* fields of a tuple, dimensions of an array */
    int type; /* of an array's elements, as numpy numbers them */
    const char *path;
    const char *name; /* of a tuple's class, of the type otherwise */
} item;

static const item *refuse(const item *wanted, PyObject *given) {
    if (wanted->kind == ARRAY && PyArray_Check(given)) {
        PyArrayObject *array = (PyArrayObject *)given;
        PyErr_Format(PyExc_TypeError, "%s must be a writable, C-contiguous %d-d array of %s, not a%s %d-d array of %S",
                     wanted->path, wanted->size, wanted->name, PyArray_ISCARRAY(array) ? "" : " read-only or strided",
                     PyArray_NDIM(array), (PyObject *)PyArray_DESCR(array));
    } else
        PyErr_Format(PyExc_TypeError, "%s must be %s%s, not %s", wanted->path,
                     wanted->kind == ARRAY ? "an array of " : "", wanted->name, Py_TYPE(given)->tp_name);
    return NULL;
}

/* Writes the words of one item and returns the item after it; NULL with an exception if it is something else. */
static const item *flatten(const item *wanted, PyObject *given, word **next) {
    const item *after = wanted + 1;
    switch (wanted->kind) {
    case TUPLE:
        if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) != wanted->size ||
            strcmp(Py_TYPE(given)->tp_name, wanted->name) != 0)
            return refuse(wanted, given);
        for (int field = 0; after && field < wanted->size; field++)
            after = flatten(after, PyTuple_GET_ITEM(given, field), next);
        return after;
    case ARRAY: {
        PyArrayObject *array = (PyArrayObject *)given;
        if (!PyArray_Check(given) || PyArray_NDIM(array) != wanted->size || PyArray_TYPE(array) != wanted->type ||
            !PyArray_ISCARRAY(array))
            return refuse(wanted, given);
        (*next)++->address = NULL; /* who owns the memory: kernels count no references */
        (*next)++->address = NULL;
        (*next)++->integer = PyArray_SIZE(array);
        (*next)++->integer = PyArray_ITEMSIZE(array);
        (*next)++->address = PyArray_DATA(array);
        for (int d = 0; d < wanted->size; d++) (*next)++->integer = PyArray_DIM(array, d);
        for (int d = 0; d < wanted->size; d++) (*next)++->integer = PyArray_STRIDE(array, d);
        return after;
    }
    case INTEGER: {
        if (PyBool_Check(given) || !(PyLong_Check(given) || PyArray_IsScalar(given, Integer)))
            return refuse(wanted, given);
        PyObject *whole = PyNumber_Index(given);
        if (!whole) return NULL;
        (*next)++->integer = PyLong_AsLongLong(whole);
        Py_DECREF(whole);
        return PyErr_Occurred() ? NULL : after;
    }
    case REAL:
        if (!PyFloat_Check(given)) return refuse(wanted, given);
        (*next)++->real = PyFloat_AS_DOUBLE(given);
        return after;
    case TRUTH:
        if (!PyBool_Check(given) && !PyArray_IsScalar(given, Bool)) return refuse(wanted, given);
        (*next)++->truth = (uint8_t)PyObject_IsTrue(given);
        return after;
    }
    Py_UNREACHABLE();
}

static int flatten_all(const char *kernel, const item *wanted, Py_ssize_t size, PyObject *const *given, Py_ssize_t count,
                       word *next) {
    if (count != size) {
        PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", kernel, size, count);
        return 0;
    }
    while (count-- > 0)
        if (!(wanted = flatten(wanted, *given++, &next))) return 0;
    return 1;
}

/* numba's status of a call: 0, or -2 for "returned None". */
static PyObject *answer(const char *kernel, int status, PyObject *value) {
    if (status == 0 || status == -2) return value;
    Py_XDECREF(value);
    return PyErr_Format(PyExc_RuntimeError, "kernel %s raised an exception (numba's status %d)", kernel, status);
}
