"""Small matrices of lanes, row by row; sizes are arguments, so that one compilation serves every model."""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import (
    LANES,
    Lanes,
    Rows,
    apart,
    get,
    logarithm,
    numbers_of,
    part,
    put,
    root,
    splat,
    total,
)

# Between PyTorch's arrays and lanes.


@part
def gather(out: Rows, values: Any, first: int, t: int) -> None:
    """Sequences ``first, first + 1, ...`` of ``values [B, T, n]`` at step ``t``; after the last comes the last again.

    What is computed for those is finite where the last one's is, and goes nowhere.
    """
    apart()
    batch, length, size = values.shape
    for lane in range(LANES):
        row = numbers_of(values) + (min(first + lane, batch - 1) * length + t) * size
        for i in range(size):
            put(out, i, lane, row[i])


@part
def gather_gradient(out: Rows, values: Any, first: int, t: int) -> None:
    """Like :func:`gather`; after the last sequence come zeros."""
    apart()
    batch, length, size = values.shape
    for lane in range(LANES):
        row, known = numbers_of(values) + (min(first + lane, batch - 1) * length + t) * size, first + lane < batch
        for i in range(size):
            put(out, i, lane, row[i] if known else 0.0)


@part
def scatter(values: Any, first: int, t: int, source: Rows) -> None:
    """The inverse of :func:`gather`."""
    apart()
    batch, length, size = values.shape
    for lane in range(min(LANES, batch - first)):
        row = numbers_of(values) + ((first + lane) * length + t) * size
        for i in range(size):
            row[i] = get(source, i, lane)


@part
def spread(out: Rows, values: Any) -> None:
    """A matrix, the same in every lane."""
    apart()
    for r in range(values.shape[0]):
        for c in range(values.shape[1]):
            out[r * values.shape[1] + c] = splat(values[r, c])


@part
def fill(out: Rows, count: int, number: float) -> None:
    """``count`` entries become ``number``."""
    for k in range(count):
        out[k] = splat(number)


@part
def copy(out: Rows, a: Rows, count: int) -> None:
    """``out = a``, ``count`` entries."""
    for k in range(count):
        out[k] = a[k]


@part
def add(out: Rows, a: Rows, count: int) -> None:
    """``out += a``, ``count`` entries."""
    for k in range(count):
        out[k] = out[k] + a[k]


@part
def totals(values: Any, sums: Rows) -> None:
    """``values`` become the sums over the lanes of ``sums``."""
    apart()
    out = numbers_of(values)
    for k in range(values.size):
        out[k] = total(sums[k])


# Products.


@part
def product(out: Rows, a: Rows, b: Rows, n: int, k: int, m: int, keep: bool, sign: float) -> None:
    """``out = sign A B``, added to ``out`` if ``keep``, for ``A [n, k]`` and ``B [k, m]``."""
    apart()
    for r in range(n):
        for c in range(m):
            found = splat(0.0)
            for s in range(k):
                found = found + a[r * k + s] * b[s * m + c]
            found = found * sign
            if keep:
                found = found + out[r * m + c]
            out[r * m + c] = found


@part
def product_t(out: Rows, a: Rows, b: Rows, n: int, k: int, m: int, keep: bool, sign: float) -> None:
    """``out = sign A B'``, added to ``out`` if ``keep``, for ``A [n, k]`` and ``B [m, k]``."""
    apart()
    for r in range(n):
        for c in range(m):
            found = splat(0.0)
            for s in range(k):
                found = found + a[r * k + s] * b[c * k + s]
            found = found * sign
            if keep:
                found = found + out[r * m + c]
            out[r * m + c] = found


@part
def t_product(out: Rows, a: Rows, b: Rows, n: int, k: int, m: int, keep: bool, sign: float) -> None:
    """``out = sign A' B``, added to ``out`` if ``keep``, for ``A [k, n]`` and ``B [k, m]``."""
    apart()
    for r in range(n):
        for c in range(m):
            found = splat(0.0)
            for s in range(k):
                found = found + a[s * n + r] * b[s * m + c]
            found = found * sign
            if keep:
                found = found + out[r * m + c]
            out[r * m + c] = found


@part
def symmetrise(a: Rows, n: int) -> None:
    """(A + A') / 2, in place."""
    apart()
    for r in range(n):
        for c in range(r):
            mean = 0.5 * (a[r * n + c] + a[c * n + r])
            a[r * n + c] = mean
            a[c * n + r] = mean


@part
def one_minus(a: Rows, n: int) -> None:
    """I - A, in place."""
    apart()
    for r in range(n):
        for c in range(n):
            a[r * n + c] = (1.0 if r == c else 0.0) - a[r * n + c]


# Factors and inverses.


@part
def factorise(out: Rows, a: Rows, n: int) -> None:
    """The lower Cholesky factor, zeros above; NaN where A is not positive definite."""
    apart()
    for c in range(n):
        pivot = a[c * n + c]
        for k in range(c):
            pivot = pivot - out[c * n + k] * out[c * n + k]
        inverse = 1.0 / root(pivot)
        for r in range(n):
            if r < c:
                out[r * n + c] = splat(0.0)
            else:
                rest = a[r * n + c]
                for k in range(c):
                    rest = rest - out[r * n + k] * out[c * n + k]
                out[r * n + c] = rest * inverse


@part
def invert_lower(out: Rows, factor: Rows, n: int) -> None:
    """The inverse of a lower triangular matrix, zeros above."""
    apart()
    for c in range(n):
        for r in range(n):
            if r < c:
                out[r * n + c] = splat(0.0)
            else:
                rest = splat(1.0 if r == c else 0.0)
                for k in range(c, r):
                    rest = rest - factor[r * n + k] * out[k * n + c]
                out[r * n + c] = rest / factor[r * n + r]


@part
def invert(out: Rows, a: Rows, n: int, work: Rows) -> None:
    """The inverse of a symmetric positive definite matrix; ``work`` of 2 n²."""
    apart()
    if n == 1:
        out[0] = 1.0 / a[0]
    else:
        factorise(work, a, n)
        invert_lower(work + n * n, work, n)
        t_product(out, work + n * n, work + n * n, n, n, n, False, 1.0)


@part
def half_log_det(factor: Rows, n: int) -> Lanes:
    """The logarithm of the determinant of a Cholesky factor."""
    apart()
    found = splat(0.0)
    for r in range(n):
        found = found + logarithm(factor[r * n + r])
    return found


@part
def factor_adjoint(out: Rows, factor: Rows, grad: Rows, n: int, work: Rows) -> None:
    """The gradient of A, symmetric, from that of its Cholesky factor (Murray 2016, Eq. 10): of
    L^-T Phi(L' dL) L^-1 the mean with the transpose; ``work`` of 3 n²."""
    apart()
    inverse, inner, outer = work, work + n * n, work + 2 * n * n
    invert_lower(inverse, factor, n)
    t_product(inner, factor, grad, n, n, n, False, 1.0)
    for r in range(n):
        for c in range(n):
            if c > r:
                inner[r * n + c] = splat(0.0)
            elif c == r:
                inner[r * n + c] = 0.5 * inner[r * n + c]
    t_product(outer, inverse, inner, n, n, n, False, 1.0)
    product(out, outer, inverse, n, n, n, False, 1.0)
    symmetrise(out, n)
