"""Settings of the ``latency`` probe: runtime, device, threads, precision and batch size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.settings import Setting, Spec, StoppingRule
from cnnbench.schema import BatchSize, BatchSizes, Distinct, Fraction


def _known(runtime: str) -> str:
    try:
        RUNTIMES.find(runtime)
    except UserError as error:
        raise ValueError(error.one_line()) from None
    return runtime


# A journal may name a runtime of a package that is not installed where the journal is read.
Runtime = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
KnownRuntime = Annotated[Runtime, AfterValidator(_known)]
Device = Literal["cpu", "gpu"]
Threads = Literal["all"] | Annotated[int, Field(strict=True, ge=1, le=1024)]
Dtype = Literal["float32", "bfloat16", "float16"]
Rounds = Annotated[int, Field(strict=True, ge=1, le=100)]


class LatencySetting(Setting):
    """One model in one runtime, timed in fresh processes; ``prepare`` converts it once."""

    probe: ClassVar[str] = "latency"
    runtime: Runtime = "graph"
    device: Device = "cpu"
    batch_size: BatchSize = 1
    threads: Threads = "all"
    dtype: Dtype = "float32"

    @property
    def needs_prepare(self) -> bool:
        return True

    def label(self) -> str:
        return "/".join(self._axes().values())

    def axes_for(self, metric: str) -> Mapping[str, str]:
        return self._axes() if self.label_for(metric) else {}

    def _axes(self) -> dict[str, str]:
        found = {"device": self.device, "runtime": self.runtime, "batch": f"b{self.batch_size}"}
        if self.threads != "all":
            found["threads"] = f"t{self.threads}"
        if self.dtype != "float32":
            found["dtype"] = {"bfloat16": "bf16", "float16": "f16"}[self.dtype]
        return found

    def primary_metrics(self) -> tuple[str, ...]:
        return ("latency_p50_s", "latency_location_s")


class TimedSpec(Spec):
    """Cells that are timed in rounds until the interval is as narrow as ``precision``.

    Attributes:
        precision: relative half-width of the 95 % interval to reach.
        min_rounds, max_rounds: number of fresh processes of a cell.
    """

    precision: Fraction = 0.05
    min_rounds: Rounds = 6
    max_rounds: Rounds = 12

    @model_validator(mode="after")
    def _rounds_in_order(self) -> Self:
        if self.min_rounds > self.max_rounds:
            raise ValueError(
                f"min_rounds is {self.min_rounds}, more than max_rounds, {self.max_rounds}"
            )
        return self

    def stopping_rule(self) -> StoppingRule:
        return StoppingRule(
            at_least=self.min_rounds, at_most=self.max_rounds, precision=self.precision
        )


class LatencySpec(TimedSpec):
    """``latency: {runtimes: [graph, litert], devices: [cpu, gpu], precision: 5%}``"""

    runtimes: Annotated[list[KnownRuntime], Distinct, Field(min_length=1)] = ["graph"]
    devices: Annotated[list[Device], Distinct, Field(min_length=1)] = ["cpu"]
    batch_sizes: BatchSizes = [1]
    threads: Annotated[list[Threads], Distinct, Field(min_length=1)] = ["all"]
    dtypes: Annotated[list[Dtype], Distinct, Field(min_length=1)] = ["float32"]

    def settings(self, model: ModelInfo) -> Iterator[LatencySetting]:
        axes = (self.runtimes, self.devices, self.batch_sizes, self.threads, self.dtypes)
        for runtime, device, batch_size, threads, dtype in product(*axes):
            yield LatencySetting(
                runtime=runtime,
                device=device,
                batch_size=batch_size,
                threads=threads,
                dtype=dtype,
            )
