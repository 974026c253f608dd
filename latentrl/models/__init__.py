"""World models: one file each, one line each in ``MODELS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, NamedTuple

from latentrl.models.base import WorldModel
from latentrl.models.dks import DKS, DKFSettings, DKSSettings
from latentrl.models.dvbs import DVBS, DVBFSettings, DVBSSettings
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.kvae import KVAE, KVAESettings
from latentrl.models.rssm import RSSM, RSSMSettings
from latentrl.models.spec import DataSpec


class ModelEntry(NamedTuple):
    """A model: ``model(spec, settings)``.

    Attributes:
        model: its class.
        settings: the dataclass of its settings; ``latentrl train`` sets those that it has a flag of the same name for.
        source: settings of the source's plain recipe, where they are not the defaults.
        flags: of ``latentrl train`` that a user chooses for this model alone, though others have such a setting.
        whole: whether the source's state is not split into position and velocity.
    """

    model: type[WorldModel]
    settings: Callable[..., Any]
    source: Mapping[str, Any] = MappingProxyType({})
    flags: frozenset[str] = frozenset()
    whole: bool = False

    def has_setting(self, name: str) -> bool:
        """Whether the model's settings know ``name``."""
        return name in {field.name for field in fields(self.settings())}


WHOLE: Mapping[str, Any] = MappingProxyType({"position_size": None, "shortest": 0})
"""The whole state is decoded, and whole sequences are seen."""

MODELS: dict[str, ModelEntry] = {
    "ekvae": ModelEntry(EKVAE, EKVAESettings, {"version": "smoother"}, frozenset({"version"})),
    "dks": ModelEntry(DKS, DKSSettings, WHOLE, whole=True),
    "dkf": ModelEntry(DKS, DKFSettings, WHOLE, whole=True),
    "dvbs": ModelEntry(DVBS, DVBSSettings, WHOLE, whole=True),
    "dvbf": ModelEntry(DVBS, DVBFSettings, WHOLE, whole=True),
    "kvae": ModelEntry(KVAE, KVAESettings, {"emission": "mixed"}, whole=True),
    "rssm": ModelEntry(RSSM, RSSMSettings, WHOLE, whole=True),
}


def build(name: str, spec: DataSpec, settings: dict[str, Any]) -> WorldModel:
    """A freshly initialised model from settings as JSON holds them.

    Raises:
        KeyError: no such model.
        TypeError: a setting the model does not know.
    """
    entry = MODELS[name]
    # JSON knows no tuples.
    known: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    return entry.model(spec, entry.settings(**known))
