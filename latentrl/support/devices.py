"""Devices by name, as people give them in code."""

from __future__ import annotations

import torch

from latentrl.support.errors import UserError


def usable_device(device: torch.device | str) -> torch.device:
    """The device that is asked for.

    Raises:
        UserError: PyTorch knows no such device, or has no such GPU here.
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"device {device!r}: {str(error).splitlines()[0]}") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {device}: PyTorch finds no such GPU here; leave device out")
    return found
