"""What an evaluation was made with, as digests: whether its figures are still those of what lies in the run folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from latentrl.runs.folder import MODEL

EVALUATED = "evaluated"
"""Of an evaluation's figures: the SHA-256 of each file of weights that acted, by its name."""


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def acted(run: Path, policy: Path | None) -> dict[str, str]:
    """What an evaluation notes as `EVALUATED`: the model, and the weights of the policy that acted, if one did."""
    return {path.name: digest_of(path) for path in (run / MODEL, policy) if path is not None}
