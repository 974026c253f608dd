"""The alpha network and what it mixes, Eq. 4.13-4.14, at eight states at once, and its adjoint.

The network's parameters ``theta`` are one array: the first layer's weights of the state ``[Dz, n]`` and of the control
``[Du, n]``, its bias ``[n]``, then weights ``[n_in, n_out]`` and bias of each further layer. ``widths`` are the layers'
outputs, the last of them M. What is mixed, ``base [M, size]``, is [F | B], the diagonal of Q and zeros after them, for
eight columns are added up at once.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import (
    Numbers,
    Rows,
    apart,
    exponential,
    larger,
    part,
    rectified,
    splat,
    where_positive,
)

STEPS_AT_ONCE = 16
"""Steps whose gradients of the parameters are added up together."""


@part
def layer(out: Rows, inputs: Rows, table: Numbers, n_in: int, n_out: int, biased: bool) -> None:
    """``out = inputs W + b`` for ``W [n_in, n_out]`` and, if ``biased``, b after it.

    Eight outputs at once: each input that is read serves them all, and no sum waits for the one before it.
    """
    apart()
    bias, done = table + n_in * n_out, n_out - n_out % 8
    for c in range(n_out):
        out[c] = splat(bias[c] if biased else 0.0)
    for c in range(0, done, 8):
        a, b, p, q, here = out[c], out[c + 1], out[c + 2], out[c + 3], table + c
        e, f, g, h = out[c + 4], out[c + 5], out[c + 6], out[c + 7]
        for r in range(n_in):
            value = inputs[r]
            a, b, p, q = a + value * here[0], b + value * here[1], p + value * here[2], q + value * here[3]
            e, f, g, h = e + value * here[4], f + value * here[5], g + value * here[6], h + value * here[7]
            here = here + n_out
        out[c] = a
        out[c + 1] = b
        out[c + 2] = p
        out[c + 3] = q
        out[c + 4] = e
        out[c + 5] = f
        out[c + 6] = g
        out[c + 7] = h
    for c in range(done, n_out):
        found, here = out[c], table + c
        for r in range(n_in):
            found = found + inputs[r] * here[0]
            here = here + n_out
        out[c] = found


@part
def layer_back(out: Rows, grad: Rows, table: Numbers, n_in: int, n_out: int) -> None:
    """``out = W grad``: the gradient of a layer's first ``n_in`` inputs."""
    apart()
    done = n_in - n_in % 8
    for r in range(0, done, 8):
        a, b, p, q = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        e, f, g, h = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        one = table + r * n_out
        two = one + 4 * n_out
        for c in range(n_out):
            value = grad[c]
            a, b = a + value * one[0], b + value * one[n_out]
            p, q = p + value * one[2 * n_out], q + value * one[3 * n_out]
            e, f = e + value * two[0], f + value * two[n_out]
            g, h = g + value * two[2 * n_out], h + value * two[3 * n_out]
            one, two = one + 1, two + 1
        out[r] = a
        out[r + 1] = b
        out[r + 2] = p
        out[r + 3] = q
        out[r + 4] = e
        out[r + 5] = f
        out[r + 6] = g
        out[r + 7] = h
    for r in range(done, n_in):
        found, one = splat(0.0), table + r * n_out
        for c in range(n_out):
            found = found + grad[c] * one[c]
        out[r] = found


@part
def layer_sums(
    sums: Rows,
    inputs: Rows,
    apart_inputs: int,
    grads: Rows,
    apart_grads: int,
    steps: int,
    n_in: int,
    n_out: int,
    biased: bool,
) -> None:
    """The gradient of a layer's weights and bias, added to ``sums``, for inputs and gradients of several steps.

    They lie ``apart_inputs`` and ``apart_grads`` rows apart. Four inputs and four gradients at once, all steps before
    the next: what is added up stays in registers.
    """
    apart()
    rows, columns = n_in - n_in % 4, n_out - n_out % 4
    for r in range(0, rows, 4):
        for c in range(0, columns, 4):
            first, second = sums + (r * n_out + c), sums + ((r + 1) * n_out + c)
            third, fourth = sums + ((r + 2) * n_out + c), sums + ((r + 3) * n_out + c)
            a0, a1, a2, a3 = first[0], first[1], first[2], first[3]
            b0, b1, b2, b3 = second[0], second[1], second[2], second[3]
            c0, c1, c2, c3 = third[0], third[1], third[2], third[3]
            d0, d1, d2, d3 = fourth[0], fourth[1], fourth[2], fourth[3]
            given, grad = inputs + r, grads + c
            for _ in range(steps):
                g0, g1, g2, g3 = grad[0], grad[1], grad[2], grad[3]
                a, b, e, f = given[0], given[1], given[2], given[3]
                a0, a1, a2, a3 = a0 + a * g0, a1 + a * g1, a2 + a * g2, a3 + a * g3
                b0, b1, b2, b3 = b0 + b * g0, b1 + b * g1, b2 + b * g2, b3 + b * g3
                c0, c1, c2, c3 = c0 + e * g0, c1 + e * g1, c2 + e * g2, c3 + e * g3
                d0, d1, d2, d3 = d0 + f * g0, d1 + f * g1, d2 + f * g2, d3 + f * g3
                given, grad = given + apart_inputs, grad + apart_grads
            first[0] = a0
            first[1] = a1
            first[2] = a2
            first[3] = a3
            second[0] = b0
            second[1] = b1
            second[2] = b2
            second[3] = b3
            third[0] = c0
            third[1] = c1
            third[2] = c2
            third[3] = c3
            fourth[0] = d0
            fourth[1] = d1
            fourth[2] = d2
            fourth[3] = d3
    for r in range(n_in):
        for c in range(columns if r < rows else 0, n_out):
            found = sums[r * n_out + c]
            for k in range(steps):
                found = found + inputs[k * apart_inputs + r] * grads[k * apart_grads + c]
            sums[r * n_out + c] = found
    if biased:
        for c in range(n_out):
            found = sums[n_in * n_out + c]
            for k in range(steps):
                found = found + grads[k * apart_grads + c]
            sums[n_in * n_out + c] = found


@part
def network(values: Rows, inputs: Rows, theta: Numbers, widths: Any, n_in: int) -> Rows:
    """The outputs of all layers, one after the other and rectified, at (z, u) ``[n_in]``; returns the last's, which are
    not."""
    apart()
    last = len(widths) - 1
    layer(values, inputs, theta, n_in, widths[0], True)
    table, here = theta + (n_in + 1) * widths[0], values
    for k in range(1, last + 1):
        before, n_out = widths[k - 1], widths[k]
        for r in range(before):
            here[r] = rectified(here[r])
        layer(here + before, here, table, before, n_out, True)
        table = table + (before + 1) * n_out
        here = here + before
    return here


@part
def softmax(alpha: Rows, logits: Rows, count: int) -> None:
    """exp(logits) over their sum."""
    apart()
    highest, norm = logits[0], splat(0.0)
    for m in range(1, count):
        highest = larger(logits[m], highest)
    for m in range(count):
        value = exponential(logits[m] - highest)
        alpha[m] = value
        norm = norm + value
    inverse = 1.0 / norm
    for m in range(count):
        alpha[m] = alpha[m] * inverse


@part
def softmax_back(grad: Rows, alpha: Rows, slopes: Rows, count: int) -> None:
    """The gradient of the logits from ``slopes``, that of alpha."""
    apart()
    inner = splat(0.0)
    for m in range(count):
        inner = inner + slopes[m] * alpha[m]
    for m in range(count):
        grad[m] = alpha[m] * (slopes[m] - inner)


@part
def network_back(
    to_state: Rows, grads: Rows, values: Rows, theta: Numbers, widths: Any, n_in: int, size: int, depth: int
) -> None:
    """From the gradient of the logits to that of the state, and to those of what every layer adds up.

    Args:
        to_state: ``[Dz]``, set.
        grads: of all layers, as ``values``: the logits' are there, the others are set.
        values: what :func:`network` has left.
        theta, widths: the network.
        n_in: Dz + Du.
        size: Dz.
        depth: the sum of the widths.
    """
    apart()
    last = len(widths) - 1
    at, end, before = 0, depth, n_in
    for k in range(last):
        at += (before + 1) * widths[k]
        before = widths[k]
    for k in range(last, 0, -1):
        n_out, before = widths[k], widths[k - 1]
        here, there = end - n_out, end - n_out - before
        layer_back(grads + there, grads + here, theta + at, before, n_out)
        for r in range(there, here):
            grads[r] = where_positive(values[r], grads[r])
        at -= ((widths[k - 2] if k > 1 else n_in) + 1) * before
        end = here
    layer_back(to_state, grads, theta, size, widths[0])


@part
def network_sums(
    sums: Rows, inputs: Rows, values: Rows, grads: Rows, widths: Any, n_in: int, depth: int, steps: int
) -> None:
    """The gradients of ``theta``, added to ``sums``, from what :func:`network_back` has left at several steps.

    ``inputs`` are (z, u) ``[steps, n_in]``, ``values`` and ``grads`` ``[steps, depth]``.
    """
    apart()
    layer_sums(sums, inputs, n_in, grads, depth, steps, n_in, widths[0], True)
    at, here = (n_in + 1) * widths[0], 0
    for k in range(1, len(widths)):
        before, n_out = widths[k - 1], widths[k]
        layer_sums(sums + at, values + here, depth, grads + (here + before), depth, steps, before, n_out, True)
        at += (before + 1) * n_out
        here += before


@part
def sum_of(widths: Any) -> int:
    """The outputs of all layers."""
    found = 0
    for width in widths:
        found += width
    return found


# The mixture. `size` is that of what is mixed.


@part
def mix(
    mixed: Rows, alpha: Rows, inputs: Rows, theta: Numbers, widths: Any, base: Numbers, m: int, size: int, work: Rows
) -> None:
    """alpha ``[M]`` and [F | B], q at (z, u) ``[m]``; ``work`` of the sum of the widths."""
    apart()
    count = widths[len(widths) - 1]
    softmax(alpha, network(work, inputs, theta, widths, m), count)
    layer(mixed, alpha, base, count, size, False)


@part
def back_tape(start: Any, depth: int, size: int, count: int) -> Any:
    """Where ``values``, ``grads``, gradients of what is mixed, of ``STEPS_AT_ONCE`` steps, and slopes lie; the end."""
    values = start
    grads = values + STEPS_AT_ONCE * depth
    to_mixed = grads + STEPS_AT_ONCE * depth
    slopes = to_mixed + STEPS_AT_ONCE * size
    return values, grads, to_mixed, slopes, slopes + count


@part
def mix_back(
    to_state: Rows,
    back: Rows,
    place: int,
    alpha: Rows,
    inputs: Rows,
    theta: Numbers,
    widths: Any,
    base: Numbers,
    n: int,
    m: int,
    size: int,
) -> None:
    """The gradient of the state ``[Dz]``, set, from that of what was mixed at one step.

    Args:
        to_state: set.
        back: by :func:`back_tape`; the gradient of what was mixed is there at ``place``.
        place: of the step in ``back``.
        alpha, inputs: of the step.
        theta, widths, base: the transition.
        n: Dz.
        m: Dz + Du.
        size: of what is mixed.
    """
    apart()
    depth, count = sum_of(widths), widths[len(widths) - 1]
    values, grads, to_mixed, slopes, _ = back_tape(back, depth, size, count)
    values, grads = values + place * depth, grads + place * depth
    layer_back(slopes, to_mixed + place * size, base, count, size)
    softmax_back(grads + (depth - count), alpha, slopes, count)
    network(values, inputs, theta, widths, m)
    network_back(to_state, grads, values, theta, widths, m, n, depth)


@part
def mix_sums(
    sums: Rows, base_sums: Rows, back: Rows, steps: int, alphas: Rows, inputs: Rows, widths: Any, m: int, size: int
) -> None:
    """The gradients of ``theta`` and ``base``, added to, for the ``steps`` steps that are in ``back``; ``alphas`` and
    ``inputs`` are theirs."""
    apart()
    depth, count = sum_of(widths), widths[len(widths) - 1]
    values, grads, to_mixed, _, _ = back_tape(back, depth, size, count)
    network_sums(sums, inputs, values, grads, widths, m, depth, steps)
    layer_sums(base_sums, alphas, count, to_mixed, size, steps, count, size, False)
