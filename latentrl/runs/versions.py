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
    other = [name for name in OF_BITS if name in before and before[name] != now[name]]
    if not other:
        return None
    was, goes_on = (", ".join(_named(name, versions[name]) for name in other) for versions in (before, now))
    return f"begun with {was}, goes on with {goes_on}: to other bits than if that were the same"


def _named(name: str, version: str) -> str:
    return f"latentrl at {version[:9]}" if name == "git" else f"{name} {version}"
