"""Versions and the git hash, for the record."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("latentrl", "torch", "numpy", "gymnasium", "minari", "safetensors", "numba")


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
