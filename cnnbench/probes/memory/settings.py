"""Settings of the ``memory`` probe: peak memory of a batch, or the largest batch under a limit."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cnnbench.models.handle import ModelInfo
from cnnbench.probes.settings import Setting, Spec, StoppingRule
from cnnbench.schema import BatchSize, BatchSizes, Bytes, Distinct
from cnnbench.units import exact_bytes

Mode = Literal["infer", "train"]


class MemorySetting(Setting):
    """The first full-batch call (``infer``) or training step (``train``) in a fresh process.

    Attributes:
        limit: bytes of the whole process; the setting then asks for the largest batch that does
            not exceed it, and ``batch_size`` is ignored.
    """

    probe: ClassVar[str] = "memory"
    mode: Mode = "infer"
    device: Literal["cpu", "gpu"] = "cpu"
    batch_size: BatchSize = 1
    limit: Bytes | None = None

    def label(self) -> str:
        return "/".join([self.mode] * (self.mode != "infer") + self._place())

    def label_for(self, metric: str) -> str:
        """Leave out a mode that the metric names: ``memory_train_peak_bytes@b32``."""
        if metric == f"memory_{self.mode}_peak_bytes":
            return "/".join(self._place())
        return super().label_for(metric)

    def _place(self) -> list[str]:
        size = f"b{self.batch_size}" if self.limit is None else exact_bytes(self.limit)
        return [self.device] * (self.device != "cpu") + [size]

    def metrics(self) -> Collection[str]:
        if self.limit is not None:
            return self.primary_metrics()
        return [*self.primary_metrics(), "memory_predicted_bytes", "memory_ratio"]

    def primary_metrics(self) -> tuple[str, ...]:
        return (f"memory_{self.mode}_peak_bytes",) if self.limit is None else ("max_batch",)


class MemorySpec(Spec):
    """``memory: {batch_sizes: [1, 32], modes: [infer, train], max_batch: [2GiB]}``

    Attributes:
        modes: inference, or a step of training.
        devices: where the network runs.
        batch_sizes: images a step.
        max_batch: memory for which the largest batch that fits is searched, on the CPU.
        repeats: number of processes of a cell.
    """

    names_unserved: ClassVar[bool] = True

    modes: Annotated[list[Mode], Distinct, Field(min_length=1)] = ["infer"]
    devices: Annotated[list[Literal["cpu", "gpu"]], Distinct, Field(min_length=1)] = ["cpu"]
    batch_sizes: BatchSizes = [1]
    max_batch: Annotated[list[Bytes], Distinct] = []
    repeats: Annotated[int, Field(strict=True, ge=1, le=50)] = 1

    @model_validator(mode="after")
    def _max_batch_needs_cpu(self) -> Self:
        if self.max_batch and "cpu" not in self.devices:
            raise ValueError("max_batch measures main memory: add cpu to the devices")
        return self

    def serves(self, model: ModelInfo) -> bool:
        return model.converted_file is None  # Keras does not run its layers

    def settings(self, model: ModelInfo) -> Iterator[MemorySetting]:
        for mode in self.modes:
            for device in self.devices:
                for batch_size in self.batch_sizes:
                    yield MemorySetting(mode=mode, device=device, batch_size=batch_size)
            for limit in self.max_batch:
                yield MemorySetting(mode=mode, limit=limit)

    def stopping_rule(self) -> StoppingRule:
        return StoppingRule(at_least=self.repeats, at_most=self.repeats)
