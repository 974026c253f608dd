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
def layer_sums(sums: Rows, inputs: Rows, grad: Rows, n_in: int, n_out: int) -> None:
    """The gradient of a layer's weights and bias, added to ``sums``."""
    apart()
    for r in range(n_in):
        value = inputs[r]
        for c in range(n_out):
            sums[r * n_out + c] = sums[r * n_out + c] + value * grad[c]
    for c in range(n_out):
        sums[n_in * n_out + c] = sums[n_in * n_out + c] + grad[c]


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
    to_state: Rows,
    grad: Rows,
    values: Rows,
    inputs: Rows,
    theta: Any,
    widths: Any,
    sums: Rows,
    n_in: int,
    size: int,
    work: Rows,
) -> None:
    """From the gradient of the logits to those of the parameters and of the state.

    Args:
        to_state: ``[Dz]``, set.
        grad: of the logits, in ``work`` or apart from it.
        values: what :func:`network` has left.
        inputs: (z, u) ``[n_in]``.
        theta, widths: the network.
        sums: gradients of ``theta``, added to.
        n_in: Dz + Du.
        size: Dz.
        work: twice the widest layer.
    """
    apart()
    widest = 0
    for width in widths:
        widest = max(widest, width)
    last = len(widths) - 1
    # Where the last layer's parameters and its inputs begin.
    at, here, before = 0, values, n_in
    for k in range(last):
        at += (before + 1) * widths[k]
        if k > 0:
            here = here + before
        before = widths[k]
    flip = 0
    for k in range(last, 0, -1):
        n_out, before = widths[k], widths[k - 1]
        layer_sums(sums + at, here, grad, before, n_out)
        there = work + flip * widest
        layer_back(there, grad, theta, at, before, n_out)
        for r in range(before):
            there[r] = where_positive(here[r], there[r])
        grad, flip = there, 1 - flip
        earlier = widths[k - 2] if k > 1 else n_in
        at -= (earlier + 1) * before
        if k > 1:
            here = here + -earlier
    layer_sums(sums, inputs, grad, n_in, widths[0])
    layer_back(to_state, grad, theta, 0, size, widths[0])
