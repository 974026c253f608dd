"""Eight float64 numbers at once, one of each of eight sequences, as a type that numba compiles to one vector.

A loop over sequences that a compiler may or may not turn into vector instructions is avoided: every ``+`` below is one
instruction of the processor where it has vectors of this size, and two or four where it has smaller ones. Sums and
products may be contracted to fused ones, which round once; nothing is reordered and no small number becomes zero.

``Rows`` is where lanes lie in memory: ``rows[i]`` reads and writes the i-th, ``rows + i`` begins there. ``Numbers`` is
the same of single numbers. Both are bare pointers, which cost a call nothing, and an index nothing but an addition,
where an array's may be negative and has to be looked at; what they point into is an array that the caller of the kernel
holds.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
DOUBLE: ir.DoubleType = ir.DoubleType()
INDEX: ir.IntType = ir.IntType(32)
VECTOR: ir.VectorType = ir.VectorType(DOUBLE, LANES)
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
        super().__init__(manager, kind, VECTOR if kind == lanes else DOUBLE.as_pointer())


lanes: _Plain = _Plain("Lanes")
rows: _Plain = _Plain("Rows")
numbers: _Plain = _Plain("Numbers")


def part(function: F) -> F:
    """Compile a part of a kernel, which only compiled code calls.

    A division by zero is infinite, as in PyTorch.
    """
    compiled: F = njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return compiled


@intrinsic
def apart(typing: Any) -> Any:
    """As a function's first line: it is compiled once and called, not once more for every place that calls it.

    Otherwise the compiler takes minutes.
    """

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
    return builder.load(builder.bitcast(_place(builder, *arguments), VECTOR.as_pointer()), align=8)


def _store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    place = builder.bitcast(_place(builder, *arguments[:2]), VECTOR.as_pointer())
    builder.store(arguments[2], place, align=8)
    return context.get_dummy_value()


def _advance(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return _place(builder, *arguments)


_define(operator.getitem, [lanes(rows, types.intp)], _load)
_define(operator.setitem, [types.void(rows, types.intp, lanes)], _store)
_define(operator.add, [rows(rows, types.intp)], _advance)


def _read(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.load(builder.gep(*_from(*arguments[:2])))


def _write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    builder.store(arguments[2], builder.gep(*_from(*arguments[:2])))
    return context.get_dummy_value()


def _further(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.gep(*_from(*arguments))


def _from(first: Any, index: Any) -> tuple[Any, list[Any]]:
    return first, [index]


_define(operator.getitem, [types.float64(numbers, types.intp)], _read)
_define(operator.setitem, [types.void(numbers, types.intp, types.float64)], _write)
_define(operator.add, [numbers(numbers, types.intp)], _further)


def _data(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return context.make_array(signature.args[0])(context, builder, arguments[0]).data


@intrinsic
def rows_of(typing: Any, array: Any) -> Any:
    """The rows of a contiguous float64 array ``[..., LANES]``, which must outlive their use: a kernel's argument."""
    return rows(array), _data


@intrinsic
def numbers_of(typing: Any, array: Any) -> Any:
    """The numbers of a contiguous float64 array, which must outlive their use: a kernel's argument."""
    return numbers(array), _data


@intrinsic
def get(typing: Any, where: Any, index: Any, lane: Any) -> Any:
    """One number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.gep(_place(builder, *arguments[:2]), [arguments[2]]))

    return types.float64(rows, types.intp, types.intp), generate


@intrinsic
def put(typing: Any, where: Any, index: Any, lane: Any, number: Any) -> Any:
    """Write one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[3], builder.gep(_place(builder, *arguments[:2]), [arguments[2]]))
        return context.get_dummy_value()

    return types.void(rows, types.intp, types.intp, types.float64), generate


# Arithmetic.


def _splat(builder: Any, number: Any) -> Any:
    single = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), number, ir.Constant(INDEX, 0))
    everywhere = ir.Constant(ir.VectorType(INDEX, LANES), [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(VECTOR, ir.Undefined), everywhere)


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """``number`` in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0])

    return lanes(types.float64), generate


def _arithmetic(instruction: str) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = zip(signature.args, arguments, strict=True)
        both = [value if kind == lanes else _splat(builder, value) for kind, value in given]
        return getattr(builder, instruction)(*both, flags=CONTRACT)

    return generate


_PAIRS = [lanes(lanes, lanes), lanes(lanes, types.float64), lanes(types.float64, lanes)]
for _symbol, _instruction in {
    operator.add: "fadd",
    operator.sub: "fsub",
    operator.mul: "fmul",
    operator.truediv: "fdiv",
}.items():
    _define(_symbol, _PAIRS, _arithmetic(_instruction))


def _chosen(builder: Any, condition: str, left: Any, right: Any, chosen: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(condition, left, right), chosen, other)


ZERO: ir.Constant = ir.Constant(VECTOR, [0.0] * LANES)


@intrinsic
def rectified(typing: Any, value: Any) -> Any:
    """max(value, 0); NaN stays."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _chosen(builder, "<", arguments[0], ZERO, ZERO, arguments[0])

    return lanes(lanes), generate


@intrinsic
def where_positive(typing: Any, condition: Any, value: Any) -> Any:
    """``value`` in the lanes where ``condition > 0``, zero elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _chosen(builder, ">", arguments[0], ZERO, arguments[1], ZERO)

    return lanes(lanes, lanes), generate


@intrinsic
def larger(typing: Any, left: Any, right: Any) -> Any:
    """The larger of two, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _chosen(builder, ">", *arguments, *arguments)

    return lanes(lanes, lanes), generate


@intrinsic
def root(typing: Any, value: Any) -> Any:
    """The square root, lane by lane; NaN of what is negative."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f64")
        return builder.call(function, arguments)

    return lanes(lanes), generate


WORD: ir.IntType = ir.IntType(64)
WORDS: ir.VectorType = ir.VectorType(WORD, LANES)
ROUNDING = 6755399441055744.0
"""1.5 2^52: what is added to it and taken away again is rounded to a whole number, which its lowest bits hold."""
LOG_2E, LN_2_HIGH, LN_2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""1 / ln 2 and ln 2 in two parts, of which the first times a small whole number is exact."""
REVERSED_FACTORIALS = tuple(1.0 / math.factorial(n) for n in range(13, -1, -1))
LOG_SERIES = (
    *(1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01),
    *(2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01),
)
"""Of log((1 + s) / (1 - s)) / s - 2 in s², the highest power first (Sun's fdlibm, __ieee754_log): 2^-58."""
SMALLEST_NORMAL, ROOT_HALF_BITS = 2.2250738585072014e-308, 0x3FE6A09E667F3BCD


def _all(number: float) -> Any:
    return ir.Constant(VECTOR, [number] * LANES)


def _words(number: int) -> Any:
    return ir.Constant(WORDS, [number] * LANES)


class _Arithmetic:
    """Instructions on lanes, named as one says them."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def plus(self, left: Any, right: Any) -> Any:
        return self.builder.fadd(left, right, flags=CONTRACT)

    def minus(self, left: Any, right: Any) -> Any:
        return self.builder.fsub(left, right, flags=CONTRACT)

    def times(self, left: Any, right: Any) -> Any:
        return self.builder.fmul(left, right, flags=CONTRACT)

    def series(self, coefficients: tuple[float, ...], at: Any) -> Any:
        """The polynomial at ``at``, the highest power's coefficient first."""
        found = _all(coefficients[0])
        for one in coefficients[1:]:
            found = self.plus(self.times(found, at), _all(one))
        return found


@intrinsic
def exponential(typing: Any, value: Any) -> Any:
    """exp of ``value <= 709``; below -708 it is that of -708, 3e-308. NaN stays."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (given,), do = arguments, _Arithmetic(builder)
        least = _all(-708.0)
        value = builder.select(builder.fcmp_ordered(">", given, least), given, least)
        # Plain instructions: a contracted one would not round to the whole number.
        shifted = builder.fadd(builder.fmul(value, _all(LOG_2E)), _all(ROUNDING))
        whole = builder.fsub(shifted, _all(ROUNDING))
        rest = do.minus(do.minus(value, do.times(whole, _all(LN_2_HIGH))), do.times(whole, _all(LN_2_LOW)))
        power = do.series(REVERSED_FACTORIALS, rest)
        exponent = builder.shl(builder.bitcast(shifted, WORDS), _words(52))
        found = builder.bitcast(builder.add(builder.bitcast(power, WORDS), exponent), VECTOR)
        return builder.select(builder.fcmp_unordered("uno", given, given), given, found)

    return lanes(lanes), generate


@intrinsic
def logarithm(typing: Any, value: Any) -> Any:
    """log, lane by lane; -inf of zero and NaN of what is negative."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (given,), do = arguments, _Arithmetic(builder)
        tiny = builder.fcmp_ordered("<", given, _all(SMALLEST_NORMAL))
        bits = builder.bitcast(builder.select(tiny, builder.fmul(given, _all(2.0**54)), given), WORDS)
        # given = 2^power (1 + rest) with 1 + rest from the root of a half to that of two.
        power = builder.ashr(builder.sub(bits, _words(ROOT_HALF_BITS)), _words(52))
        fraction = builder.bitcast(builder.sub(bits, builder.shl(power, _words(52))), VECTOR)
        short = builder.trunc(power, ir.VectorType(INDEX, LANES))
        exponent = builder.sitofp(short, VECTOR)
        exponent = builder.fsub(exponent, builder.select(tiny, _all(54.0), _all(0.0)))
        rest = builder.fsub(fraction, _all(1.0))
        ratio = builder.fdiv(rest, builder.fadd(rest, _all(2.0)))
        square = builder.fmul(ratio, ratio)
        series = do.times(do.series(LOG_SERIES, square), square)
        half = builder.fmul(_all(0.5), builder.fmul(rest, rest))
        small = do.plus(do.times(ratio, do.plus(half, series)), do.times(exponent, _all(LN_2_LOW)))
        found = do.minus(do.times(exponent, _all(LN_2_HIGH)), builder.fsub(builder.fsub(half, small), rest))
        for condition, instead in (("==", -math.inf), ("<", math.nan)):
            found = builder.select(builder.fcmp_ordered(condition, given, ZERO), _all(instead), found)
        # What is infinite, and NaN, is its own.
        usual = builder.fcmp_ordered("<", given, _all(math.inf))
        return builder.select(usual, found, given)

    return lanes(lanes), generate


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """The sum over the lanes, from the first to the last: the same bits at every call."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.extract_element(arguments[0], ir.Constant(INDEX, 0))
        for lane in range(1, LANES):
            found = builder.fadd(found, builder.extract_element(arguments[0], ir.Constant(INDEX, lane)))
        return found

    return types.float64(lanes), generate
