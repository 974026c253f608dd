"""Versions and the git hash, for the record."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

PACKAGES = ("latentrl", "torch", "numpy", "gymnasium", "minari", "safetensors", "numba")
OF_BITS = ("latentrl", "git", "torch", "numba")
"""What decides which numbers a training comes to."""


def describe_environment() -> dict[str, str]:
    """Versions and the git hash of the working directory, for the record."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        found["git"] = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found["git"] = "unknown"
    return found


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """What a run was begun with and does not go on with, in words; None where its bits are to be expected.

    Args:
        before: of :func:`describe_environment`, as the run's settings hold it; what it lacks is not compared.
        now: the same, of this process.
    """
    pairs = [(name, before[name], now[name]) for name in OF_BITS if name in before and before[name] != now[name]]
    if not pairs:
        return None
    was, goes_on = (
        ", ".join(
            f"latentrl at {pair[which][:9]}" if pair[0] == "git" else f"{pair[0]} {pair[which]}" for pair in pairs
        )
        for which in (1, 2)
    )
    return f"begun with {was}, goes on with {goes_on}: to other bits than if that were the same"
