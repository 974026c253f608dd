"""Send a run to the Hugging Face Hub, with a card that says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from latentrl.hub.arrival import check
from latentrl.hub.card import card
from latentrl.hub.exchange import check_repo, send
from latentrl.hub.files import CARD, stale, to_send
from latentrl.runs.opening import in_use
from latentrl.shipped.copies import RUN
from latentrl.shipped.entries import ENTRY
from latentrl.support.commands import command
from latentrl.support.errors import reported


@dataclass(frozen=True)
class PushOptions:
    """Send a run to the Hugging Face Hub: settings, weights, policies, figures, its goal, and a card. You log in with
    huggingface_hub's own `hf auth login`, or HF_TOKEN; nothing of it is written or printed here."""

    run: tyro.conf.Positional[Annotated[Path, RUN]]
    """The run folder of a trained model, or zoo:NAME."""
    repo: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="USER/NAME")]
    """The repository; made where it is not there."""
    public: tyro.conf.FlagCreatePairsOff[bool] = False
    """Let everybody see a repository that is made."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the names of the files and the card; send nothing."""


def push(options: PushOptions) -> str | None:
    """Send; returns the hash of the commit, None where nothing was sent.

    Raises:
        UserError: no finished run, a link in its folder, huggingface_hub is missing, the hub refuses.
    """
    check_repo(options.repo)
    with in_use(options.run):
        check(options.run)
        files = to_send(options.run)
    left_out = stale(files)
    files = {name: content for name, content in files.items() if name not in left_out}
    files[CARD] = card(options.repo, files).encode()
    for name, content in files.items():
        print(f"  {name}: {len(content):,} bytes")
    for name, why in left_out.items():
        print(f"  {name}: not sent: it {why}{'' if name == ENTRY else '; evaluate again to send new figures'}")
    if options.dry_run:
        print(f"\n{files[CARD].decode()}\nnothing was sent")
        return None
    revision = send(options.repo, files, not options.public, f"{options.run.name}, sent by latentrl")
    print(f"{options.repo}: commit {revision}")
    print(f"to fetch it elsewhere: {command('pull', options.repo, '--revision', revision)}")
    return revision


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl push``."""
    with reported():
        push(tyro.cli(PushOptions, args=argv, prog="latentrl push"))


if __name__ == "__main__":
    main()
