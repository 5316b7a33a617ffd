"""Settings of the ``static`` probe: the batch size of the memory metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from cnnbench.models.handle import ModelInfo
from cnnbench.probes.settings import Setting, Spec
from cnnbench.schema import BatchSize, BatchSizes


class StaticSetting(Setting):
    """Counts at one batch size (only the activation memory depends on it)."""

    probe: ClassVar[str] = "static"
    is_light: ClassVar[bool] = True
    batch_size: BatchSize = 1

    def label(self) -> str:
        return f"b{self.batch_size}"

    def primary_metrics(self) -> tuple[str, ...]:
        return ("params", "macs", "activation_infer_peak_bytes")


class StaticSpec(Spec):
    """``static: {batch_sizes: [1, 32]}``"""

    batch_sizes: BatchSizes = [1]

    def settings(self, model: ModelInfo) -> Iterator[StaticSetting]:
        for batch_size in self.batch_sizes:
            yield StaticSetting(batch_size=batch_size)
