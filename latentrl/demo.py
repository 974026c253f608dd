"""See it work in half a minute: shipped weights act, and are asked what they never saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import tyro

from latentrl.quickstarts import demo as show
from latentrl.quickstarts.never_seen import LEGEND, NeverSeen
from latentrl.support.commands import command
from latentrl.support.errors import reported
from latentrl.support.locks import claimed
from latentrl.support.options import check_seed
from latentrl.support.threads import few_threads

STEPS = 4
Result = TypeVar("Result")


@dataclass(frozen=True)
class DemoOptions:
    """Load trained weights that come with the package, act with them, and write a page. Nothing is trained."""

    out: Path = Path("runs/demo")
    """The folder for the page and the film; what an earlier demo left there is replaced."""
    seed: int = 0
    """Of the camera's noise."""


def demo(options: DemoOptions) -> Path:
    """Act, compare with the data, write the page; returns its path.

    Raises:
        UserError: a bad seed, another demo is at work there.
    """
    check_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    with claimed(options.out / show.PAGE), few_threads():
        return _demo(options)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl demo``."""
    with reported():
        demo(tyro.cli(DemoOptions, args=argv, prog="latentrl demo"))


def _demo(options: DemoOptions) -> Path:
    following = [command("evaluate", "--run", show.RUN), command("quickstart")]
    loaded = _timed(1, f"load {show.RUN}", lambda: show.load(options.seed))
    episode = _timed(2, "act in the simulator, one noisy picture at a time", lambda: show.swing_up(loaded))
    print(f"      {loaded.setting.task.description}: {'done' if episode.success else 'NOT done'}")
    data = _timed(3, "record the training data anew, from its seed", lambda: show.record_again(loaded))
    unseen = show.compared(loaded, data, episode)
    _tell(unseen)
    texts = "\n".join(following)
    page = _timed(4, "draw", lambda: show.write(loaded, data, episode, unseen, options.out, texts))
    print(f"\n{page}: the animation, the latent space and the answer; open it in a browser")
    print(f"to train one yourself, in minutes: {following[1]}")
    print(f"next: {following[0]}")
    return page


def _tell(unseen: NeverSeen) -> None:
    print("      what did it never see?")
    rows = [("", "in its data", "in this episode"), *unseen.rows()]
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for row in rows:
        print(f"        {row[0]:<{wide[0]}}  {row[1]:<{wide[1]}}  {row[2]}")
    for line in LEGEND:
        print(f"      {line}")


def _timed(number: int, name: str, work: Callable[[], Result]) -> Result:
    print(f"[{number}/{STEPS}] {name} ...", end="", flush=True)
    start = time.perf_counter()
    try:
        result = work()
    except BaseException:
        print(flush=True)
        raise
    print(f" {time.perf_counter() - start:.1f} s", flush=True)
    return result


if __name__ == "__main__":
    main()
