"""Which of the things recorded is the observation, which the actions, which the ground truth."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latentrl.recordings.recording import Key
from latentrl.support.errors import UserError

ACTION = re.compile(r"(action|act|control|command|torque|ctrl|u)s?([_.]?(\d+|[xyz]))?")
OBSERVATION = re.compile(r"(observation|obs|image|img|frame|picture|pixel|camera|rgb|video)s?")
SENSED = re.compile(r"(observations?|obs|states?|infos?)([/._]|$)")
"""What is certainly not done but seen or known."""
BOOKKEEPING = re.compile(
    r"(next\..*|rewards?|returns?|dones?|terminals?|terminations?|terminated|truncations?|truncated|success|seeds?|times?|t"
    r"|timestamps?|steps?|frame|index|(frame|episode|task|step)_?(index|id)|episodes?|discounts?|is_(first|last|terminal))"
)


@dataclass(frozen=True)
class Part:
    """A key, or some of its numbers.

    Attributes:
        key: its name in the recordings.
        entries: which of its numbers, flattened; None: all.
    """

    key: str
    entries: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.key if self.entries is None else f"{self.key}:{','.join(map(str, self.entries))}"


@dataclass(frozen=True)
class Chosen:
    """What becomes what.

    Attributes:
        observation: one picture, or readings that are put side by side.
        actions: put side by side.
        truth: by the name that it gets.
        left_out: keys that nothing becomes of, bookkeeping apart.
    """

    observation: tuple[Part, ...]
    actions: tuple[Part, ...]
    truth: Mapping[str, Part]
    left_out: tuple[str, ...]


def is_action(key: str) -> bool:
    """Whether a key's name says that it is one of the actions."""
    return ACTION.fullmatch(_last(key).lower()) is not None


def is_bookkeeping(key: str, shape: tuple[int, ...]) -> bool:
    """Whether it is neither observed nor done: one number a step, called as rewards, ends, counters and times are."""
    return math.prod(shape) == 1 and any(BOOKKEEPING.fullmatch(name.lower()) for name in (key, _last(key)))


def choose(
    keys: Mapping[str, Key],
    observation: Sequence[str],
    actions: Sequence[str],
    truth: Sequence[str],
    where: str,
    described: Sequence[str] = (),
) -> Chosen:
    """What was asked for, and guesses where nothing was and one thing alone comes into question.

    Args:
        keys: of a recording.
        observation: names, as :func:`resolve` takes them; empty: to be guessed.
        actions: the same.
        truth: the same; empty: none.
        where: names the recording.
        described: what coordinates are declared of; ground truth too, unless it is among ``truth`` already.

    Raises:
        UserError: no such key, or several that it could be; lists them.
    """
    truths = [part for name in truth for part in resolve(name, keys, "--truth", where)]
    known = {_last(part.key) for part in truths}
    for name in dict.fromkeys(described):
        if name not in known:
            truths += resolve(name, keys, "--describe: the coordinates' key", where)
    taken = {part.key for part in truths}
    asked = [part for name in observation for part in resolve(name, keys, "--observation", where)]
    acted = [part for name in actions for part in resolve(name, keys, "--actions", where)]
    acted = acted or _guessed_actions(keys, taken | {part.key for part in asked}, where)
    taken |= {part.key for part in acted}
    seen = asked or _guessed_observation(keys, taken, where)
    named: dict[str, Part] = {}
    for part in truths:
        name = _last(part.key)
        if name in named:
            raise UserError(f"--truth: {part.key} and {named[name].key} would both be {name!r}; give one of them")
        named[name] = part
    _refuse_twice(seen, acted)
    taken |= {part.key for part in seen}
    left = tuple(key for key in keys if key not in taken and not is_bookkeeping(key, keys[key].shape))
    return Chosen(tuple(seen), tuple(acted), named, left)


def _refuse_twice(seen: Sequence[Part], acted: Sequence[Part]) -> None:
    """Refuse a number that is given twice, or is both observed and done."""
    given: list[tuple[str, Part]] = []
    for flag, part in (*(("--observation", one) for one in seen), *(("--actions", one) for one in acted)):
        entries = part.entries or ()
        twice = [before for before in given if _overlap(before[1], part)]
        if twice or len(set(entries)) < len(entries):
            where, other = twice[0] if twice else (flag, part)
            raise UserError(f"{flag} {part}: is given with {where} {other} already; give every number once")
        given.append((flag, part))


def _overlap(one: Part, other: Part) -> bool:
    if one.key != other.key:
        return False
    return one.entries is None or other.entries is None or bool({*one.entries} & {*other.entries})


def resolve(name: str, keys: Mapping[str, Key], flag: str, where: str) -> list[Part]:
    """The keys that ``name`` means: the key of that name, all beneath it, or the one whose name ends with it.

    ``NAME:0,2`` takes some of the numbers of one.

    Raises:
        UserError: none, or several that end so; lists what there is.
    """
    text, _, numbers = name.rpartition(":")
    if text and re.fullmatch(r"\d+(,\d+)*", numbers):
        entries: tuple[int, ...] | None = tuple(map(int, numbers.split(",")))
    else:
        text, entries = name, None
    found = [text] if text in keys else sorted(key for key in keys if key.startswith((f"{text}/", f"{text}.")))
    found = found or [key for key in keys if key.endswith((f"/{text}", f".{text}"))]
    several = len(found) > 1 and not found[0].startswith((f"{text}/", f"{text}."))
    if not found or several:
        close = difflib.get_close_matches(text, [*keys, *map(_last, keys)], 1)
        hint = f", did you mean {close[0]}?" if close and not several else ""
        problem = f"could be {' or '.join(found)}" if several else f"is none of its keys{hint}"
        raise UserError(f"{flag} {name}: {problem}; {where} has {listed(keys)}")
    if entries is not None:
        size = _size(keys[found[0]])
        if len(found) > 1 or max(entries) >= size:
            raise UserError(f"{flag} {name}: {text} has the numbers 0 to {size - 1}; give some of these")
    return [Part(key, entries) for key in found]


def listed(keys: Mapping[str, Key]) -> str:
    """All keys with what they are, for people."""
    return "; ".join(f"{name} ({key})" for name, key in keys.items()) or "nothing that is made of numbers"


def _guessed_actions(keys: Mapping[str, Key], taken: set[str], where: str) -> list[Part]:
    free = {key: value for key, value in keys.items() if key not in taken and not is_bookkeeping(key, value.shape)}
    found = [key for key in free if is_action(key)]
    # Two that are both numbers of many entries may be two records of the same thing, such as asked for and applied.
    if len(found) == 1 or (found and all(_size(keys[key]) == 1 for key in found)):
        return [Part(key) for key in found]
    flat = [key for key, value in free.items() if len(value.shape) <= 1 and not SENSED.match(key.lower())]
    if not found and len(flat) == 1 and (len(free) == 2 or len(free) == 1):
        return [Part(flat[0])]
    raise UserError(f"{where}: give --actions KEY: which of these are the actions? {listed(keys)}")


def _guessed_observation(keys: Mapping[str, Key], taken: set[str], where: str) -> list[Part]:
    free = [key for key in keys if key not in taken and not is_bookkeeping(key, keys[key].shape)]
    named = [key for key in free if OBSERVATION.fullmatch(_last(key).lower())]
    for found in (named, free):
        if len(found) == 1:
            return [Part(found[0])]
    raise UserError(f"{where}: give --observation KEY: which of these is observed? {listed(keys)}")


def _size(key: Key) -> int:
    return math.prod(key.shape)


def _last(key: str) -> str:
    return key.rpartition("/")[2]
