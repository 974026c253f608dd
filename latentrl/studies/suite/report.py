"""What is left of chains, for people; and their figures as a page beside the file that it is drawn of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from latentrl.studies.suite.chain import Chain, lacking
from latentrl.studies.suite.commands import shown
from latentrl.studies.suite.outcome import merged, untold
from latentrl.studies.suite.running import told_left
from latentrl.studies.systems.base import System
from latentrl.support.files import check_kinds, read_json, write_json, write_text

CURE = "remove it"
"""Of a published file that cannot be read."""


def others_of(systems: Iterable[System], chains: Sequence[Chain], out: Path, quick: bool) -> Iterator[Chain]:
    """Chains of ``systems`` in the folder ``out`` that are begun, but are none of ``chains``."""
    asked = {chain.folder for chain in chains}
    for system in systems:
        for folder in sorted((out / system.name).glob("seed*")):
            number = folder.name.removeprefix("seed")
            if folder not in asked and number.isdecimal():
                yield Chain.of(system, int(number), out, quick)


def show(chains: Sequence[Chain], out: Path, jobs: int) -> None:
    """Print every command that is left, and how long they take."""
    for chain in chains:
        why = lacking(chain.system)
        done = sum(state == "finished" for state in chain.states().values())
        print(f"# {chain.name}: {done} of {len(chain.steps)} steps are done" + (f"; {why}" if why else ""))
        for step in chain.open_steps():
            print(shown(chain.system, step, out, chain.seed))
    able = [chain for chain in chains if lacking(chain.system) is None]
    count = len({chain.system.name for chain in able})
    print(f"\n{len(able)} runs of {count} systems{told_left(able, jobs)} in {jobs} process(es), one core each")


def write_pages(
    name: str, found: Mapping[str, Any], draw: Callable[[Mapping[str, Any]], str], out: Path, publish: Path | None
) -> None:
    """Write ``NAME.md`` and the figures that it is drawn of, ``NAME.json``, into ``out`` and, if asked, ``publish``.

    Where it is published, systems and seeds that were not run now keep the figures that are there, so that several
    machines can add to one page.

    Args:
        name: of the files.
        found: see :func:`latentrl.studies.suite.outcome.outcome_of`.
        draw: makes the page of such figures.
        out: a folder, made if it is not there.
        publish: another one.
    """
    folders = [(out, found)]
    if publish is not None:
        before = publish / f"{name}.json"
        whole, gone = merged(_published(before) if before.is_file() else {}, dict(found))
        folders.append((publish, whole))
        for seed in gone:
            print(f"warning: {before}: {seed} was made with other commands than now; its figures are gone from there")
        for seed in untold(whole, found["systems"]):
            print(
                f"note: {before}: {seed} was published before commands were kept; its figures stay, as if it had been "
                "made with those of now"
            )
    for folder, figures in folders:
        folder.mkdir(parents=True, exist_ok=True)
        stored = folder / f"{name}.json"
        write_json(stored, figures)
        # Drawn of what was stored, so that the page and the file cannot differ.
        write_text(stored.with_suffix(".md"), draw(json.loads(stored.read_text(encoding="utf-8"))))
        print(f"{stored.with_suffix('.md')}: the table; {stored}: its figures")


def _published(path: Path) -> dict[str, Any]:
    """What was published before.

    Raises:
        UserError: it is no such file, or damaged.
    """
    found = read_json(path, CURE)
    check_kinds(found, {"systems": dict}, path, CURE)
    for seeds in found["systems"].values():
        # What is no list of seeds is no seed either.
        for seed in seeds if isinstance(seeds, list) else [seeds]:
            check_kinds(seed, {"seed": int, "steps": dict}, path, CURE)
            for step in seed["steps"].values():
                check_kinds(step, {"state": str}, path, CURE)
    return found


def failures(found: Mapping[str, Any]) -> list[str]:
    """Every step that failed, with its reason."""
    return [
        f"failed: {name}/seed{seed['seed']}: {step}: {told['reason']}"
        for name, seeds in found["systems"].items()
        for seed in seeds
        for step, told in seed["steps"].items()
        if told["state"] == "failed"
    ]


def told_states(chains: Sequence[Chain]) -> Iterator[str]:
    """A line for every chain: how many of its steps are done."""
    for chain in chains:
        done = sum(state == "finished" for state in chain.states().values())
        yield f"{chain.name}: {done} of {len(chain.steps)} steps are done"
