"""Sixteen float32 numbers at once, one of each of sixteen roll-outs, as a type that numba compiles to one vector.

As the kernels of inference have it for eight float64 numbers: a loop over roll-outs that a compiler may or may not turn
into vector instructions is avoided. ``Rows`` is where lanes lie in memory: ``rows[i]`` reads and writes the i-th,
``rows + i`` begins there; a bare pointer into an array that the caller of the kernel holds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 16
NUMBER: ir.FloatType = ir.FloatType()
INDEX: ir.IntType = ir.IntType(32)
VECTOR: ir.VectorType = ir.VectorType(NUMBER, LANES)
WORDS: ir.VectorType = ir.VectorType(INDEX, LANES)
CONTRACT = ("contract",)

Rows: TypeAlias = Any
Numbers: TypeAlias = Any
Lanes: TypeAlias = Any
F = TypeVar("F", bound=Callable[..., Any])


class _Plain(types.Type):
    """A type that exists in compiled code alone and is known by its name."""


@register_model(_Plain)
class _PlainModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR if kind == lanes else NUMBER.as_pointer())


lanes: _Plain = _Plain("SingleLanes")
rows: _Plain = _Plain("SingleRows")
numbers: _Plain = _Plain("SingleNumbers")


def part(function: F) -> F:
    """Compile a part of a kernel, which only compiled code calls."""
    compiled: F = njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return compiled


@intrinsic
def apart(typing: Any) -> Any:
    """As a function's first line: it is compiled once and called, not once more for every place that calls it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


def _define(symbol: Any, cases: list[Any], generate: Any) -> None:
    """Teach a Python operator to numba."""

    class Kinds(ConcreteTemplate):
        key = symbol

    Kinds.cases = cases
    infer_global(symbol)(Kinds)
    for case in cases:
        lower_builtin(symbol, *case.args)(generate)


# Where lanes lie.


def _place(builder: Any, first: Any, index: Any) -> Any:
    return builder.gep(first, [builder.mul(index, ir.Constant(index.type, LANES))])


def _load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.load(builder.bitcast(_place(builder, *arguments), VECTOR.as_pointer()), align=4)


def _store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    place = builder.bitcast(_place(builder, *arguments[:2]), VECTOR.as_pointer())
    builder.store(arguments[2], place, align=4)
    return context.get_dummy_value()


def _advance(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return _place(builder, *arguments)


_define(operator.getitem, [lanes(rows, types.intp)], _load)
_define(operator.setitem, [types.void(rows, types.intp, lanes)], _store)
_define(operator.add, [rows(rows, types.intp)], _advance)


@intrinsic
def rows_of(typing: Any, array: Any) -> Any:
    """The rows of a contiguous float32 array, which must outlive their use: a kernel's argument."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return rows(array), generate


def _read(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.load(builder.gep(arguments[0], [arguments[1]]))


def _further(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.gep(arguments[0], [arguments[1]])


_define(operator.getitem, [types.float32(numbers, types.intp)], _read)
_define(operator.add, [numbers(numbers, types.intp)], _further)


@intrinsic
def at_lanes(typing: Any, where: Any, index: Any) -> Any:
    """As many numbers as there are lanes, the first of them ``where[index]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), VECTOR.as_pointer())
        return builder.load(place, align=4)

    return lanes(numbers, types.intp), generate


@intrinsic
def put_lanes(typing: Any, where: Any, index: Any, value: Any) -> Any:
    """Write as many numbers as there are lanes, the first of them ``where[index]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), VECTOR.as_pointer())
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return types.void(numbers, types.intp, lanes), generate


@intrinsic
def numbers_of(typing: Any, array: Any) -> Any:
    """The numbers of a contiguous float32 array, one after another: ``numbers[i]`` is one, the same for all lanes.

    An array's own index may be negative, and to find out costs more than the product that the number is read for.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return numbers(array), generate


@intrinsic
def put(typing: Any, where: Any, index: Any, lane: Any, number: Any) -> Any:
    """Write one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[3], builder.gep(_place(builder, *arguments[:2]), [arguments[2]]))
        return context.get_dummy_value()

    return types.void(rows, types.intp, types.intp, types.float32), generate


@intrinsic
def get(typing: Any, where: Any, index: Any, lane: Any) -> Any:
    """One number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.gep(_place(builder, *arguments[:2]), [arguments[2]]))

    return types.float32(rows, types.intp, types.intp), generate


# Arithmetic.


def _splat(builder: Any, number: Any) -> Any:
    single = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), number, ir.Constant(INDEX, 0))
    everywhere = ir.Constant(WORDS, [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(VECTOR, ir.Undefined), everywhere)


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """``number`` in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0])

    return lanes(types.float32), generate


def _arithmetic(instruction: str) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = zip(signature.args, arguments, strict=True)
        both = [value if kind == lanes else _splat(builder, value) for kind, value in given]
        return getattr(builder, instruction)(*both, flags=CONTRACT)

    return generate


_PAIRS = [lanes(lanes, lanes), lanes(lanes, types.float32), lanes(types.float32, lanes)]
for _symbol, _instruction in {
    operator.add: "fadd",
    operator.sub: "fsub",
    operator.mul: "fmul",
    operator.truediv: "fdiv",
}.items():
    _define(_symbol, _PAIRS, _arithmetic(_instruction))


def _all(number: float) -> Any:
    return ir.Constant(VECTOR, [number] * LANES)


def _chosen(builder: Any, condition: str, left: Any, right: Any, chosen: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(condition, left, right), chosen, other)


@intrinsic
def rectified(typing: Any, value: Any) -> Any:
    """max(value, 0); NaN stays."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _chosen(builder, "<", arguments[0], _all(0.0), _all(0.0), arguments[0])

    return lanes(lanes), generate


@intrinsic
def larger(typing: Any, left: Any, right: Any) -> Any:
    """The larger of two, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _chosen(builder, ">", *arguments, *arguments)

    return lanes(lanes, lanes), generate


ROUNDING = 12582912.0
"""1.5 2^23: what is added to it and taken away again is rounded to a whole number, which its lowest bits hold."""
POWERS = np.polynomial.Chebyshev.interpolate(np.exp2, 5, [-0.5, 0.5]).convert(kind=np.polynomial.Polynomial).coef
"""Of a polynomial that is 2^x between -1/2 and 1/2, but for 1e-7: what a float32 is rounded by."""


@intrinsic
def power_of_two(typing: Any, value: Any) -> Any:
    """2^x of ``x <= 127``; below -126 it is that of -126, 1e-38. NaN stays."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (given,) = arguments
        least = _all(-126.0)
        value = builder.select(builder.fcmp_ordered("<", given, least), least, given)
        # Plain instructions: a contracted one would not round to the whole number.
        shifted = builder.fadd(value, _all(ROUNDING))
        rest = builder.fsub(value, builder.fsub(shifted, _all(ROUNDING)))
        *lower, highest = (float(np.float32(one)) for one in POWERS)
        found = _all(highest)
        for one in reversed(lower):
            found = builder.fadd(builder.fmul(found, rest, flags=CONTRACT), _all(one), flags=CONTRACT)
        exponent = builder.shl(builder.bitcast(shifted, WORDS), ir.Constant(WORDS, [23] * LANES))
        return builder.bitcast(builder.add(builder.bitcast(found, WORDS), exponent), VECTOR)

    return lanes(lanes), generate
