"""Mean roll-outs of a locally linear transition: all time steps of sixteen action sequences, then of the next sixteen.

Everything that a step computes stays in registers and in a few kilobytes that are used again: memory is read for the
actions and written for the states alone.
"""

from __future__ import annotations

from typing import Any

from latentrl.transitions.kernels.lanes import (
    LANES,
    Numbers,
    Rows,
    apart,
    get,
    larger,
    numbers_of,
    part,
    power_of_two,
    put,
    put_lanes,
    rectified,
    rows_of,
    splat,
)


@part
def layer(out: Rows, inputs: Rows, theta: Numbers, n_in: int, n_out: int, rectify: bool) -> None:
    """``out = W' inputs + b``, eight outputs at once, so that the processor need not wait for any of them."""
    apart()
    bias, done = theta + n_in * n_out, n_out - n_out % 8
    for c in range(0, done, 8):
        here = bias + c
        a, b, d, e = splat(here[0]), splat(here[1]), splat(here[2]), splat(here[3])
        f, g, h, i = splat(here[4]), splat(here[5]), splat(here[6]), splat(here[7])
        here = theta + c
        for r in range(n_in):
            value = inputs[r]
            a = a + value * here[0]
            b = b + value * here[1]
            d = d + value * here[2]
            e = e + value * here[3]
            f = f + value * here[4]
            g = g + value * here[5]
            h = h + value * here[6]
            i = i + value * here[7]
            here = here + n_out
        if rectify:
            a, b, d, e = rectified(a), rectified(b), rectified(d), rectified(e)
            f, g, h, i = rectified(f), rectified(g), rectified(h), rectified(i)
        out[c] = a
        out[c + 1] = b
        out[c + 2] = d
        out[c + 3] = e
        out[c + 4] = f
        out[c + 5] = g
        out[c + 6] = h
        out[c + 7] = i
    if done + 4 <= n_out:
        here = bias + done
        a, b, d, e = splat(here[0]), splat(here[1]), splat(here[2]), splat(here[3])
        here = theta + done
        for r in range(n_in):
            value = inputs[r]
            a = a + value * here[0]
            b = b + value * here[1]
            d = d + value * here[2]
            e = e + value * here[3]
            here = here + n_out
        out[done] = rectified(a) if rectify else a
        out[done + 1] = rectified(b) if rectify else b
        out[done + 2] = rectified(d) if rectify else d
        out[done + 3] = rectified(e) if rectify else e
        done += 4
    for c in range(done, n_out):
        found, here = splat(bias[c]), theta + c
        for r in range(n_in):
            found = found + inputs[r] * here[0]
            here = here + n_out
        out[c] = rectified(found) if rectify else found


@part
def follow(out: Rows, inputs: Rows, theta: Numbers, widths: Any, base: Numbers, n: int, m: int, work: Rows) -> None:
    """F z + B u ``[Dz]`` at (z, u) ``[Dz + Du]``, Eq. 4.13-4.14."""
    last, before, here = len(widths) - 1, m, inputs
    for k in range(last + 1):
        layer(work, here, theta, before, widths[k], k < last)
        theta = theta + (before + 1) * widths[k]
        before, here = widths[k], work
        work = work + before
    logits, count = here, before
    # Two at a time: each has to wait for the one before.
    highest, other = logits[0], logits[count - 1]
    for k in range(1, count // 2):
        highest, other = larger(logits[k], highest), larger(logits[count - 1 - k], other)
    if count % 2:
        highest = larger(logits[count // 2], highest)
    highest = larger(other, highest)
    norm, rest = splat(0.0), splat(0.0)
    for k in range(count // 2):
        value, further = power_of_two(logits[k] - highest), power_of_two(logits[count - 1 - k] - highest)
        logits[k] = value
        logits[count - 1 - k] = further
        norm, rest = norm + value, rest + further
    if count % 2:
        value = power_of_two(logits[count // 2] - highest)
        logits[count // 2] = value
        norm = norm + value
    layer(work, logits, base, count, n * m, False)
    inverse = 1.0 / (norm + rest)
    for i in range(n):
        found = work[i * m] * inputs[0]
        for k in range(1, m):
            found = found + work[i * m + k] * inputs[k]
        out[i] = found * inverse


def rollout(starts: Any, actions: Any, theta: Any, widths: Any, base: Any, path: Any, scratch: Any) -> None:
    """Mean states ``path [H, Dz, P]``, set.

    Args:
        starts: ``[N, Dz]``.
        actions: ``[N, H, Du]``, in the environment's units.
        theta: the alpha network: weights ``[n_in, n_out]`` and bias of every layer, the first for z above u.
        widths: the layers' outputs, the last of them M.
        base: ``[F | B]`` ``[M, Dz (Dz + Du)]``, and as many zeros as a bias.
        path: set; P is N rounded up to whole lanes.
        scratch: ``[rows, LANES]`` to work in.
    """
    (count, n), (horizon, controls) = starts.shape, actions.shape[1:]
    m, padded = n + controls, path.shape[2]
    inputs, network, matrices = rows_of(scratch), numbers_of(theta), numbers_of(base)
    from_starts, from_actions, to_path = numbers_of(starts), numbers_of(actions), numbers_of(path)
    given = inputs + m
    out, work = given + horizon * controls, given + (horizon * controls + n)
    for first in range(0, count, LANES):
        # All actions at once: what was just written number by number is slow to be read as a vector.
        for lane in range(LANES):
            # A block that is not full repeats the last.
            here = min(first + lane, count - 1)
            action = from_actions + here * horizon * controls
            for i in range(horizon * controls):
                put(given, i, lane, action[i])
            for i in range(n):
                put(inputs, i, lane, from_starts[here * n + i])
        for t in range(horizon):
            for i in range(controls):
                inputs[n + i] = given[t * controls + i]
            follow(out, inputs, network, widths, matrices, n, m, work)
            for i in range(n):
                inputs[i] = out[i]
                put_lanes(to_path, (t * n + i) * padded + first, out[i])


def rollout_feedback(
    starts: Any,
    base_actions: Any,
    feedback: Any,
    around: Any,
    bounds: Any,
    theta: Any,
    widths: Any,
    base: Any,
    actions: Any,
    path: Any,
    scratch: Any,
) -> None:
    """Actions ``[N, H, Du]`` and mean states ``path [N, H, Dz]`` under ``u = base_t + feedback_t (z - around_t)``, set.

    Args:
        starts: ``[N, Dz]``.
        base_actions: ``[N, H, Du]``.
        feedback: ``[N, H, Du, Dz]``, its last two dimensions as one.
        around: ``[N, H, Dz]``.
        bounds: the smallest and the largest action ``[2, Du]``.
        theta, widths, base, scratch: as for :func:`rollout`.
        actions, path: set.
    """
    (count, n), (horizon, controls) = starts.shape, actions.shape[1:]
    m = n + controls
    inputs, network, matrices = rows_of(scratch), numbers_of(theta), numbers_of(base)
    out, work = inputs + m, inputs + (m + n)
    for first in range(0, count, LANES):
        many = min(LANES, count - first)
        for lane in range(LANES):
            for i in range(n):
                put(inputs, i, lane, starts[min(first + lane, count - 1), i])
        for t in range(horizon):
            for lane in range(LANES):
                at = min(first + lane, count - 1)
                for i in range(controls):
                    found = base_actions[at, t, i]
                    for k in range(n):
                        found += feedback[at, t, i * n + k] * (get(inputs, k, lane) - around[at, t, k])
                    # Comparisons that NaN passes, as it does in PyTorch.
                    if found < bounds[0, i]:
                        found = bounds[0, i]
                    elif found > bounds[1, i]:
                        found = bounds[1, i]
                    put(inputs, n + i, lane, found)
                    if lane < many:
                        actions[at, t, i] = found
            follow(out, inputs, network, widths, matrices, n, m, work)
            for i in range(n):
                inputs[i] = out[i]
                for lane in range(many):
                    path[first + lane, t, i] = get(out, i, lane)
