"""The alpha network and what it mixes, Eq. 4.13-4.14, at eight states at once, and its adjoint.

The network's parameters are one array: the first layer's weights of the state ``[Dz, n]`` and of the control
``[Du, n]``, its bias ``[n]``, then weights ``[n_in, n_out]`` and bias of each further layer. ``widths`` are the layers'
outputs, the last of them M. Base matrices ``[F | B]`` are ``[M, Dz (Dz + Du)]``, variances ``[M, Dz]``.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import (
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
def layer(out: Rows, inputs: Rows, theta: Any, at: int, n_in: int, n_out: int) -> None:
    """``out = inputs W + b``, four outputs at once: each input that is read serves them all."""
    apart()
    bias, done = at + n_in * n_out, n_out - n_out % 4
    for c in range(0, done, 4):
        first, second = splat(theta[bias + c]), splat(theta[bias + c + 1])
        third, fourth = splat(theta[bias + c + 2]), splat(theta[bias + c + 3])
        for r in range(n_in):
            value, here = inputs[r], at + r * n_out + c
            first = first + value * theta[here]
            second = second + value * theta[here + 1]
            third = third + value * theta[here + 2]
            fourth = fourth + value * theta[here + 3]
        out[c] = first
        out[c + 1] = second
        out[c + 2] = third
        out[c + 3] = fourth
    for c in range(done, n_out):
        found = splat(theta[bias + c])
        for r in range(n_in):
            found = found + inputs[r] * theta[at + r * n_out + c]
        out[c] = found


@part
def layer_back(out: Rows, grad: Rows, theta: Any, at: int, n_in: int, n_out: int) -> None:
    """``out = W grad``: the gradient of a layer's first ``n_in`` inputs."""
    apart()
    done = n_in - n_in % 4
    for r in range(0, done, 4):
        first, second, third, fourth = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        for c in range(n_out):
            value, here = grad[c], at + r * n_out + c
            first = first + value * theta[here]
            second = second + value * theta[here + n_out]
            third = third + value * theta[here + 2 * n_out]
            fourth = fourth + value * theta[here + 3 * n_out]
        out[r] = first
        out[r + 1] = second
        out[r + 2] = third
        out[r + 3] = fourth
    for r in range(done, n_in):
        found = splat(0.0)
        for c in range(n_out):
            found = found + grad[c] * theta[at + r * n_out + c]
        out[r] = found


@part
def layer_sums(
    sums: Rows, inputs: Rows, apart_inputs: int, grads: Rows, apart_grads: int, steps: int, n_in: int, n_out: int
) -> None:
    """The gradient of a layer's weights and bias, added to ``sums``, for inputs and gradients of several steps.

    They lie ``apart_inputs`` and ``apart_grads`` rows apart. Two inputs and four gradients at once, all steps before
    the next: what is added up stays in registers.
    """
    apart()
    pairs, fours = n_in - n_in % 2, n_out - n_out % 4
    for r in range(0, pairs, 2):
        for c in range(0, fours, 4):
            upper, lower = sums + (r * n_out + c), sums + ((r + 1) * n_out + c)
            a, b, p, q = upper[0], upper[1], upper[2], upper[3]
            e, f, g, h = lower[0], lower[1], lower[2], lower[3]
            for k in range(steps):
                first, second = inputs[k * apart_inputs + r], inputs[k * apart_inputs + r + 1]
                grad = grads + (k * apart_grads + c)
                one, two, three, four = grad[0], grad[1], grad[2], grad[3]
                a, b, p, q = a + first * one, b + first * two, p + first * three, q + first * four
                e, f, g, h = e + second * one, f + second * two, g + second * three, h + second * four
            upper[0] = a
            upper[1] = b
            upper[2] = p
            upper[3] = q
            lower[0] = e
            lower[1] = f
            lower[2] = g
            lower[3] = h
    for r in range(n_in):
        for c in range(fours if r < pairs else 0, n_out):
            found = sums[r * n_out + c]
            for k in range(steps):
                found = found + inputs[k * apart_inputs + r] * grads[k * apart_grads + c]
            sums[r * n_out + c] = found
    for c in range(n_out):
        found = sums[n_in * n_out + c]
        for k in range(steps):
            found = found + grads[k * apart_grads + c]
        sums[n_in * n_out + c] = found


@part
def network(values: Rows, inputs: Rows, theta: Any, widths: Any, n_in: int) -> Rows:
    """The outputs of all layers, one after the other and rectified, at (z, u) ``[n_in]``; returns the last's, which are
    not."""
    apart()
    last = len(widths) - 1
    layer(values, inputs, theta, 0, n_in, widths[0])
    at, here = (n_in + 1) * widths[0], values
    for k in range(1, last + 1):
        before, n_out = widths[k - 1], widths[k]
        for r in range(before):
            here[r] = rectified(here[r])
        layer(here + before, here, theta, at, before, n_out)
        at += (before + 1) * n_out
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
def mix(out: Rows, alpha: Rows, base: Any) -> None:
    """``alpha @ base`` for ``base [M, n]``."""
    apart()
    count, size = base.shape
    done = size - size % 4
    for c in range(0, done, 4):
        first, second, third, fourth = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        for m in range(count):
            value = alpha[m]
            first = first + value * base[m, c]
            second = second + value * base[m, c + 1]
            third = third + value * base[m, c + 2]
            fourth = fourth + value * base[m, c + 3]
        out[c] = first
        out[c + 1] = second
        out[c + 2] = third
        out[c + 3] = fourth
    for c in range(done, size):
        found = splat(0.0)
        for m in range(count):
            found = found + alpha[m] * base[m, c]
        out[c] = found


@part
def mix_back(slopes: Rows, grad: Rows, alpha: Rows, base: Any, sums: Rows) -> None:
    """``slopes += base grad``, the gradient of alpha, and ``sums += alpha grad'``, that of ``base``."""
    apart()
    count, size = base.shape
    for m in range(count):
        weight, found = alpha[m], slopes[m]
        for c in range(size):
            found = found + grad[c] * base[m, c]
            sums[m * size + c] = sums[m * size + c] + weight * grad[c]
        slopes[m] = found


@part
def network_back(
    to_state: Rows, grads: Rows, values: Rows, theta: Any, widths: Any, n_in: int, size: int, depth: int
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
        layer_back(grads + there, grads + here, theta, at, before, n_out)
        for r in range(there, here):
            grads[r] = where_positive(values[r], grads[r])
        at -= ((widths[k - 2] if k > 1 else n_in) + 1) * before
        end = here
    layer_back(to_state, grads, theta, 0, size, widths[0])


@part
def network_sums(
    sums: Rows, inputs: Rows, values: Rows, grads: Rows, widths: Any, n_in: int, depth: int, steps: int
) -> None:
    """The gradients of ``theta``, added to ``sums``, from what :func:`network_back` has left at several steps.

    ``inputs`` are (z, u) ``[steps, n_in]``, ``values`` and ``grads`` ``[steps, depth]``.
    """
    apart()
    layer_sums(sums, inputs, n_in, grads, depth, steps, n_in, widths[0])
    at, here = (n_in + 1) * widths[0], 0
    for k in range(1, len(widths)):
        before, n_out = widths[k - 1], widths[k]
        layer_sums(sums + at, values + here, depth, grads + (here + before), depth, steps, before, n_out)
        at += (before + 1) * n_out
        here += before


@part
def sum_of(widths: Any) -> int:
    """The outputs of all layers."""
    found = 0
    for width in widths:
        found += width
    return found
