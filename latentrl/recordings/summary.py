"""What an import says at its end."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from latentrl.recordings.plan import Plan
from latentrl.recordings.recording import Recording
from latentrl.recordings.span import place_of

SHORT = 10
"""Frames: shorter sequences show little of a motion."""
SLOW = 1.0
"""Seconds: no robot is recorded so rarely, but numbers of milliseconds look so."""
NAMED = 5
"""Recordings that are left out and named; of more, the number is said."""


def summary(plan: Plan, goal: str | None, described: Collection[str] = ()) -> list[str]:
    """Lines for people: what became what, how much of it, and what was left out.

    Args:
        plan: what was made.
        goal: the name of the goal's file beside the data.
        described: keys of the ground truth that coordinates are declared of.
    """
    options, chosen = plan.options, plan.chosen
    shape = " x ".join(map(str, plan.observing.shape))
    kind = "uint8" if len(plan.observing.shape) == 3 else "float32"
    rate = "" if plan.control_step is None else f", {plan.control_step:g} s apart"
    first = plan.source.recordings[0].keys
    types = sorted({str(first[part.key].dtype) for part in chosen.actions} - {"float32"})
    lines = [
        f"recordings   {len(plan.frames)} ({plan.form}), {sum(plan.frames.values()):,} frames",
        f"observation  {', '.join(map(str, chosen.observation))}: {shape} {kind}{rate}",
        f"actions      {', '.join(map(str, chosen.actions))}: {_interval(plan)}, {plan.bounds_from}",
    ]
    if chosen.truth:
        lines.append(f"truth        {', '.join(chosen.truth)}: for metrics alone")
    if plan.cut.gaps:
        lines.append(f"gaps         {_gaps(plan)}")
    for name, recordings in plan.splits.items():
        sequences = f"{_counted(plan.sequences[name], 'sequence')} of {plan.length} frames"
        lines.append(f"{name:<12} {_pieces(plan, recordings)}, {sequences}")
    lines.append(f"left out     {plan.dropped:.1%} of the frames{_hint(plan)}")
    short = [name for name in plan.short if name in plan.frames]
    if short:
        lines.append(f"too short    {_few(short)}: fewer than {plan.length} frames")
    if chosen.left_out:
        lines.append(f"not used     {', '.join(chosen.left_out)}")
    if goal is not None:
        lines.append(f"goal         {goal}")
    if plan.spans is not None:
        train, test = plan.spans
        between = test[0].first - train[-1].stop
        lines.append(
            f"note         a single recording: its end is held out, the {between} frames before that are "
            "left out; it says less of what a model knows than another recording would"
        )
    said = [*plan.observing.casts, *(f"actions: {one} -> float32" for one in types)]
    if plan.surplus:
        end = "last" if options.surplus_action == "last" else "first"
        said.append(f"as many actions as frames in {_counted(plan.surplus, 'recording')}: the {end} action is left out")
    unknown = [name for name in chosen.truth if name not in described]
    if unknown:
        said.append(
            f"no coordinate is declared of {', '.join(unknown)}, so that training reports no R² of it: say with "
            "--describe what its numbers are (docs/declarations.md)"
        )
    if plan.length < SHORT and options.length is None:
        said.append(
            f"sequences of {plan.length} frames are short; give --length {SHORT} or more, and do without the rest"
        )
    told = None if plan.control_step is None else plan.control_step / options.every
    if told is not None and told > SLOW and options.fps is None and options.control_step is None:
        said.append(
            f"a step takes {told:.4g} s by the recorded times; if those are milliseconds, give --control-step "
            f"{told / 1000:.4g}"
        )
    if options.every > 1:
        how = "their mean" if options.every_actions == "mean" else "the last of them"
        said.append(f"one frame in {options.every} is kept; of the {options.every} actions between two, {how}")
    return lines + [f"note         {line}" for line in (*plan.source.notes, *said)]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _gaps(plan: Plan) -> str:
    """What was cut out, and how much is lost by it."""
    cut = plan.cut
    short = sum(name not in plan.frames for name in plan.short)
    with_short = f", with {_counted(short, 'piece')} of fewer than {plan.length}" if short else ""
    return (
        f"{cut.gaps:,} cut in {cut.interrupted} of {_counted(len(plan.frames), 'recording')} ({cut.reasons}): "
        f"{plan.lost:.1%} of the frames are lost{with_short}"
    )


def _pieces(plan: Plan, pieces: Sequence[Recording]) -> str:
    """Of what recordings the pieces of a split are."""
    if plan.spans is not None and len(pieces) == 1:
        return pieces[0].name
    names = {place_of(one)[0] for one in pieces}
    what = _counted(len(names), "recording") if plan.spans is None else next(iter(names))
    return what if len(names) == len(pieces) else f"{what} in {len(pieces):,} pieces"


def _interval(plan: Plan) -> str:
    sides = zip(plan.action_low, plan.action_high, strict=True)
    return " x ".join(f"[{low:.4g}, {high:.4g}]" for low, high in sides)


def _hint(plan: Plan) -> str:
    """What to do where much is left out because sequences do not overlap."""
    if plan.dropped < 0.1 or plan.stride < plan.length:
        return ": what remains at the ends of recordings" if plan.dropped and not plan.short else ""
    return f"; --stride {max(1, plan.length // 2)} or a smaller --length leaves out less"


def _few(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
