"""Models: one file each, one line each in ``MODELS``, or in ``STATICS`` if it knows no time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from latentrl.models.base import GenerativeModel, WorldModel
from latentrl.models.dks import DKS, DKFSettings, DKSSettings
from latentrl.models.dvbs import DVBS, DVBFSettings, DVBSSettings
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.entry import ModelEntry
from latentrl.models.kvae import KVAE, KVAESettings
from latentrl.models.rssm import RSSM, RSSMSettings
from latentrl.models.spec import DataSpec
from latentrl.models.statics.iwae import IWAE, IWAESettings
from latentrl.models.statics.vae import VAE, FMVAESettings, VAESettings, VampVAESettings, VHPVAESettings

WHOLE: Mapping[str, Any] = MappingProxyType({"position_size": None, "shortest": 0})
"""The whole state is decoded, and whole sequences are seen."""

SAMPLES = frozenset({"samples"})
"""Of the prior's bound."""

MODELS: dict[str, ModelEntry] = {
    "ekvae": ModelEntry(EKVAE, EKVAESettings, {"version": "smoother"}, SAMPLES | {"version"}),
    "dks": ModelEntry(DKS, DKSSettings, WHOLE, SAMPLES, whole=True),
    "dkf": ModelEntry(DKS, DKFSettings, WHOLE, SAMPLES, whole=True),
    "dvbs": ModelEntry(DVBS, DVBSSettings, WHOLE, SAMPLES, whole=True),
    "dvbf": ModelEntry(DVBS, DVBFSettings, WHOLE, SAMPLES, whole=True),
    "kvae": ModelEntry(KVAE, KVAESettings, {"emission": "mixed"}, SAMPLES, whole=True),
    "rssm": ModelEntry(RSSM, RSSMSettings, WHOLE, SAMPLES, whole=True),
}
"""World models: what can be filtered, planned with and given goals."""

LIKELIHOOD = frozenset({"likelihood"})
STATICS: dict[str, ModelEntry] = {
    "vae": ModelEntry(VAE, VAESettings, flags=LIKELIHOOD),
    "vhp-vae": ModelEntry(VAE, VHPVAESettings, flags=LIKELIHOOD | {"samples"}),
    "fm-vae": ModelEntry(VAE, FMVAESettings, flags=LIKELIHOOD | {"samples"}, flat=True),
    "vamp-vae": ModelEntry(VAE, VampVAESettings, flags=LIKELIHOOD | {"components"}),
    "iwae": ModelEntry(IWAE, IWAESettings, flags=LIKELIHOOD | {"samples", "layers"}),
}
"""Static models: of frames that know nothing of each other."""


def entry_of(name: str) -> ModelEntry:
    """The model of that name, static or not.

    Raises:
        KeyError: no such model.
    """
    return MODELS[name] if name in MODELS else STATICS[name]


def build(name: str, spec: DataSpec, settings: dict[str, Any]) -> WorldModel:
    """A freshly initialised world model from settings as JSON holds them.

    Raises:
        KeyError: no such world model.
        TypeError: a setting the model does not know.
    """
    made = _made(MODELS[name], spec, settings)
    assert isinstance(made, WorldModel)
    return made


def build_any(name: str, spec: DataSpec, settings: dict[str, Any]) -> GenerativeModel:
    """A freshly initialised model, static or not: see :func:`build`."""
    return _made(entry_of(name), spec, settings)


def _made(entry: ModelEntry, spec: DataSpec, settings: dict[str, Any]) -> GenerativeModel:
    # JSON knows no tuples.
    known: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    return entry.model(spec, entry.settings(**known))


__all__ = ["MODELS", "STATICS", "ModelEntry", "build", "build_any", "entry_of"]
