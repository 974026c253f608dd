"""What stands in ``MODELS`` and ``STATICS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, NamedTuple

from latentrl.models.base import GenerativeModel


class ModelEntry(NamedTuple):
    """A model: ``model(spec, settings)``.

    Attributes:
        model: its class.
        settings: the dataclass of its settings; ``latentrl train`` sets those that it has a flag of the same name for.
        source: settings of the source's plain recipe, where they are not the defaults.
        flags: of ``latentrl train`` that a user chooses for this model alone, though others have such a setting.
        whole: whether the source's state is not split into position and velocity.
        flat: whether its latent space is trained to be flat (:mod:`latentrl.geometry.flatness`) unless a user says no.
    """

    model: type[GenerativeModel]
    settings: Callable[..., Any]
    source: Mapping[str, Any] = MappingProxyType({})
    flags: frozenset[str] = frozenset()
    whole: bool = False
    flat: bool = False

    def has_setting(self, name: str) -> bool:
        """Whether the model's settings know ``name``."""
        return name in {field.name for field in fields(self.settings())}
