"""Settings of the ``memory`` probe: the peak that the operating system saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cnnbench.core.settings.base import (
    BatchSize,
    BatchSizes,
    Distinct,
    ModelFacts,
    Setting,
    Spec,
    StoppingRule,
)

Mode = Literal["infer", "train"]


class MemorySetting(Setting):
    """One first full-batch call (``infer``) or training step (``train``) in a fresh process."""

    probe: ClassVar[str] = "memory"
    mode: Mode = "infer"
    device: Literal["cpu", "gpu"] = "cpu"
    batch_size: BatchSize = 1

    def label(self) -> str:
        return (
            f"b{self.batch_size}" if self.device == "cpu" else f"{self.device}/b{self.batch_size}"
        )

    def primary_metrics(self) -> tuple[str, ...]:
        return (f"memory_{self.mode}_peak_bytes",)


class MemorySpec(Spec):
    """``memory: {batch_sizes: [1, 32], modes: [infer, train]}``"""

    modes: Annotated[list[Mode], Distinct, Field(min_length=1)] = ["infer"]
    devices: Annotated[list[Literal["cpu", "gpu"]], Distinct, Field(min_length=1)] = ["cpu"]
    batch_sizes: BatchSizes = [1]
    repeats: Annotated[int, Field(strict=True, ge=1, le=50)] = 1

    def settings(self, model: ModelFacts) -> Iterator[MemorySetting]:
        for mode in self.modes:
            for device in self.devices:
                for batch_size in self.batch_sizes:
                    yield MemorySetting(mode=mode, device=device, batch_size=batch_size)

    def stopping_rule(self) -> StoppingRule:
        return StoppingRule(at_least=self.repeats, at_most=self.repeats)
