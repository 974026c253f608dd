"""Everything about an import that is decided before a frame is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.data_collection.checks import LARGEST
from latentrl.recordings.gaps import Cut, Read, cut_at_gaps, told_of_all
from latentrl.recordings.keys import Chosen, Part, choose, listed
from latentrl.recordings.observing import Observing, Seen, observing, refuse_unusable, side_by_side, size_of
from latentrl.recordings.options import ImportOptions
from latentrl.recordings.readers import open_source
from latentrl.recordings.recording import Recording, Source
from latentrl.recordings.span import Span, frames_of, place_of
from latentrl.recordings.splitting import (
    default_length,
    length_of_pieces,
    split,
    split_in_time,
    split_pieces_in_time,
)
from latentrl.recordings.timing import aligned, check_counts, count_windows, covered, kept_frames, thinned_actions
from latentrl.support.errors import UserError

USUAL_LENGTH = 30
"""Frames in a sequence where nothing else is said and the recordings are long enough."""


@dataclass(frozen=True)
class Plan:
    """What is to be made of which recordings.

    Attributes:
        options: what was asked for.
        form: the format's name.
        source: as it was opened.
        chosen: what becomes what.
        observing: how to observe a recording.
        frames: of every recording, before any is cut or left out, by its name.
        read: what of a recording is to be numbers.
        cut: the pieces of the recordings; they themselves, where none is interrupted or all are to be whole.
        held: frames of what is in the splits, by its name.
        length: frames in a sequence.
        stride: frames from one sequence to the next.
        splits: the pieces of each split, those that are too short left out; of a single recording, spans.
        short: names of those.
        surplus: how many recordings have as many actions as frames.
        action_low: ``[Du]``.
        action_high: ``[Du]``.
        bounds_from: where those are from, in words.
        control_step: seconds between kept frames; None: not known.
        sequences: how many each split will have.
    """

    options: ImportOptions
    form: str
    source: Source
    chosen: Chosen
    observing: Observing
    frames: dict[str, int]
    read: Read
    cut: Cut
    held: dict[str, int]
    length: int
    stride: int
    splits: dict[str, list[Recording]]
    short: tuple[str, ...]
    surplus: int
    action_low: list[float]
    action_high: list[float]
    bounds_from: str
    control_step: float | None
    sequences: dict[str, int]

    @property
    def dropped(self) -> float:
        """Share of the frames that --every keeps which are in no sequence."""
        every = self.options.every
        total, held = (
            sum(count(kept_frames(frames, every)) for frames in counted.values())
            for counted, count in ((self.cut.frames, int), (self.held, self._covered))
        )
        total += self.cut.lost // every
        return 1 - held / total if total else 0.0

    @property
    def lost(self) -> float:
        """Share of the recorded frames that are lost at gaps: those without numbers, and pieces that are too short."""
        short = sum(self.cut.frames[name] for name in self.short if name not in self.frames)
        return (self.cut.lost + short) / sum(self.frames.values())

    @property
    def spans(self) -> tuple[list[Span], list[Span]] | None:
        """What is trained on and what is held out of a single recording; None where there are several."""
        if len({place_of(one)[0] for pieces in self.splits.values() for one in pieces}) > 1:
            return None
        train, test = ([one for one in self.splits[name] if isinstance(one, Span)] for name in ("train", "test"))
        return train, test

    def _covered(self, steps: int) -> int:
        return covered(steps, self.length, self.stride)


def planned(options: ImportOptions, described: Sequence[str] = ()) -> Plan:
    """Open the source and decide everything; of the data, actions are read where their bounds are not said.

    Args:
        options: what was asked for.
        described: keys of the ground truth that coordinates are declared of.

    Raises:
        UserError: anything that cannot become a data folder; names recording, key, value and cure.
    """
    options.check()
    size, crop = options.picture_size, options.picture_crop
    form, source = open_source(options.source, options.format)
    if not source.recordings:
        raise UserError(f"{source.path}: holds no recordings")
    first = source.recordings[0]
    chosen = choose(first.keys, options.observation, options.actions, options.truth, first.name, described)
    frames, surplus = _frames(source.recordings, chosen)
    cut = Cut(source.recordings, frames)
    filled = [one for one in source.recordings if frames[one.name]]
    if options.gaps == "cut" and filled:
        at_first = observing(chosen.observation, filled, crop, size, options.grey)
        cut = cut_at_gaps(source.recordings, frames, _read(options, chosen, at_first))
    kept = {name: kept_frames(count, options.every) for name, count in cut.frames.items()}
    length = options.length or _usual_length(options, cut, kept)
    usable = [one for one in cut.pieces if kept[one.name] >= length]
    if not usable:
        what = f"piece between gaps ({cut.reasons})" if cut.gaps else "recording"
        longest = max(kept.values(), default=0)
        cure = "give a smaller one" if longest > 1 or not cut.gaps else "look at the columns that interrupt it"
        raise UserError(
            f"--length {length}: the longest {what} has {longest} frame{'' if longest == 1 else 's'}"
            f"{f' (every {options.every})' if options.every > 1 else ''}; {cure}"
        )
    seen = observing(chosen.observation, usable, crop, size, options.grey)
    read = _read(options, chosen, seen)
    splits = _split(options, usable, cut.frames, length)
    with told_of_all(source.recordings, frames, read):
        low, high, bounds_from = _bounds(options, source, usable, chosen.actions, cut.frames)
    held = {one.name: frames_of(one, frames) for pieces in splits.values() for one in pieces}
    stride = options.stride or length
    return Plan(
        options,
        form,
        source,
        chosen,
        seen,
        frames,
        read,
        cut,
        held,
        length,
        stride,
        splits,
        short=tuple(name for name, count in kept.items() if count < length),
        surplus=surplus,
        action_low=low,
        action_high=high,
        bounds_from=bounds_from,
        control_step=_control_step(options, source, cut),
        sequences={
            name: sum(count_windows(kept_frames(held[one.name], options.every), length, stride) for one in recordings)
            for name, recordings in splits.items()
        },
    )


def actions_of(options: ImportOptions, recording: Recording, parts: Sequence[Part], frames: int) -> NDArray[np.float32]:
    """The actions ``[K - 1, Du]`` between the frames of a recording that are kept, in their own units.

    Raises:
        UserError: not as many as go with the frames, or not finite.
    """
    recorded = side_by_side(recording, parts)
    between = aligned(recorded, frames, options.surplus_action, recording.name)
    left_out = len(recorded) - len(between) if options.surplus_action == "first" else 0
    refuse_unusable(between, recording, parts, left_out)
    return thinned_actions(between, options.every, options.every_actions).astype(np.float32)


def _read(options: ImportOptions, chosen: Chosen, seen: Observing) -> Read:
    """What of the recordings is to be numbers: readings where no picture is observed, truth and actions."""
    readings = () if isinstance(seen, Seen) else chosen.observation
    return Read(readings, tuple(chosen.truth.values()), chosen.actions, options.surplus_action)


def _usual_length(options: ImportOptions, cut: Cut, kept: dict[str, int]) -> int:
    """Frames in a sequence where none are said: such that there are some to train on and some to hold out."""
    steps = [n for n in kept.values() if n > 1] or [0]
    if not cut.gaps:
        return default_length(steps, USUAL_LENGTH)

    def divides(length: int) -> bool:
        try:
            return bool(_split(options, [one for one in cut.pieces if kept[one.name] >= length], cut.frames, length))
        except UserError:
            return False

    return next(filter(divides, range(length_of_pieces(steps, USUAL_LENGTH), 2, -1)), 2)


def _split(
    options: ImportOptions, usable: Sequence[Recording], frames: Mapping[str, int], length: int
) -> dict[str, list[Recording]]:
    """What is trained on and what is held out: recordings with all their pieces, or of a single one the last."""
    whole: dict[str, list[Recording]] = {}
    for one in usable:
        whole.setdefault(place_of(one)[0], []).append(one)
    if len(whole) > 1:
        names = list(whole)
        train, test = split(len(names), options.test_share, options.seed)
        return {
            split: [one for n in numbers for one in whole[names[n]]]
            for split, numbers in (("train", train), ("test", test))
        }
    spans = [one if isinstance(one, Span) else Span(one, frames[one.name], 0, frames[one.name]) for one in usable]
    if len(spans) > 1:
        every = options.every
        halves = split_pieces_in_time([(one.first, one.stop) for one in spans], options.test_share, length, every)
        before, after = ([replace(spans[0], first=first, stop=stop) for first, stop in half] for half in halves)
        return {"train": [*before], "test": [*after]}
    (one,) = spans
    count = one.stop - one.first
    stop, first = split_in_time(kept_frames(count, options.every), options.test_share, length)
    return {
        "train": [one.part(0, (stop - 1) * options.every + 1)],
        "test": [one.part(first * options.every, count)],
    }


def _frames(recordings: Sequence[Recording], chosen: Chosen) -> tuple[dict[str, int], int]:
    """Frames of every recording by its name, and how many have as many actions; all are checked by their headers."""
    frames: dict[str, int] = {}
    surplus = 0
    first = recordings[0]
    parts = (*chosen.observation, *chosen.actions, *chosen.truth.values())
    for recording in recordings:
        keys = recording.keys
        for part in parts:
            if part.key not in keys:
                raise UserError(f"{recording.name}: has no {part.key}, {first.name} has; it has {listed(keys)}")
            shape, wanted = keys[part.key].shape, first.keys[part.key].shape
            if shape != wanted:
                raise UserError(
                    f"{recording.name}: a step of {part.key} is {list(shape)}, in {first.name} {list(wanted)}; import "
                    "them apart"
                )
        if recording.name in frames:
            raise UserError(f"{recording.name}: two recordings have this name; rename one")
        count = keys[chosen.observation[0].key].steps
        actions = keys[chosen.actions[0].key].steps
        check_counts(count, actions, recording.name)
        for name, part in chosen.truth.items():
            if keys[part.key].steps != count:
                raise UserError(
                    f"{recording.name}: {part.key} has {keys[part.key].steps} steps for {count} frames; --truth {name} "
                    "needs one with each"
                )
        surplus += actions == count
        frames[recording.name] = count
    return frames, surplus


def _bounds(
    options: ImportOptions,
    source: Source,
    recordings: Sequence[Recording],
    parts: Sequence[Part],
    frames: Mapping[str, int],
) -> tuple[list[float], list[float], str]:
    """Bounds ``[Du]`` of the actions: as given, else as the format says them, else the least and the largest."""
    size = size_of(parts, recordings[0])
    if not size:
        raise UserError(f"--actions {' '.join(map(str, parts))}: has no numbers; give what was done, a number or more")
    low, high = (_given(options, name, size) for name in ("action_low", "action_high"))
    origin = "given"
    whole = len(parts) == 1 and parts[0].entries is None
    if source.action_bounds is not None and whole and len(source.action_bounds[0]) == size and None in (low, high):
        low, high = low or source.action_bounds[0], high or source.action_bounds[1]
        origin = "as the data set says"
    if low is None or high is None:
        ends = list(_ends(options, recordings, parts, frames))
        least = np.min([one for one, _ in ends], axis=0)
        most = np.max([one for _, one in ends], axis=0)
        origin = "the least and the largest recorded"
        low, high = low or [float(x) for x in least], high or [float(x) for x in most]
    for at, (below, above) in enumerate(zip(low, high, strict=True)):
        if below == above and not (options.action_low and options.action_high):
            others = ",".join(str(n) for n in range(size) if low[n] < high[n])
            cure = f"--actions {parts[0].key}:{others}" if len(parts) == 1 and others else "--actions without it"
            raise UserError(
                f"entry {at} of the actions is always {below:g}: what it does cannot be learned; give {cure}, or its "
                "bounds with --action-low and --action-high"
            )
        if below > above:
            raise UserError(f"--action-low {below:g}: lies above the largest action, {above:g}, in entry {at}")
    return low, high, origin


def _ends(
    options: ImportOptions, recordings: Sequence[Recording], parts: Sequence[Part], frames: Mapping[str, int]
) -> Iterator[tuple[Any, Any]]:
    for recording in recordings:
        actions = actions_of(options, recording, parts, frames[recording.name])
        yield actions.min(0), actions.max(0)


def _given(options: ImportOptions, name: str, size: int) -> list[float] | None:
    value: tuple[float, ...] = getattr(options, name)
    if not value:
        return None
    if len(value) not in (1, size) or not (np.abs(value) <= LARGEST).all():
        raise UserError(
            f"--{name.replace('_', '-')} {' '.join(f'{x:g}' for x in value)}: give {size} finite numbers, one for each "
            "entry of the actions, or one"
        )
    return [float(x) for x in (value * size if len(value) == 1 else value)]


def _control_step(options: ImportOptions, source: Source, cut: Cut) -> float | None:
    given = options.control_step or (1 / options.fps if options.fps else None)
    even = cut.step if source.no_step is not None else None
    if given is None and even is None and source.no_step is not None:
        raise UserError(source.no_step)
    step = given or even or source.control_step
    return None if step is None else step * options.every
