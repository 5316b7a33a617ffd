"""A schema per probe: what a suite may say of it, and what one cell of it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.compression.settings import CompressionSetting, CompressionSpec
from cnnbench.probes.latency.settings import LatencySetting, LatencySpec
from cnnbench.probes.memory.settings import MemorySetting, MemorySpec
from cnnbench.probes.settings import Setting, Spec, StoppingRule
from cnnbench.probes.static.settings import StaticSetting, StaticSpec

# In the order that a suite is worked off: what a user sees first comes first, and what disturbs
# the machine's temper least.
_PROBES: tuple[tuple[type[Setting], type[Spec]], ...] = (
    (StaticSetting, StaticSpec),
    (MemorySetting, MemorySpec),
    (LatencySetting, LatencySpec),
    (AccuracySetting, AccuracySpec),
    (CompressionSetting, CompressionSpec),
)
SETTINGS: dict[str, type[Setting]] = {setting.probe: setting for setting, _ in _PROBES}
SPECS: dict[str, type[Spec]] = {setting.probe: spec for setting, spec in _PROBES}


def setting(probe: str, values: Mapping[str, Any]) -> Setting:
    """The setting of a record, read back; what an older journal did not know takes its default."""
    return SETTINGS[probe].model_validate(dict(values))


__all__ = ["SETTINGS", "SPECS", "Setting", "Spec", "StoppingRule", "setting"]
