"""Settings of the ``latency`` probe: runtime, device, threads, precision and batch size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.settings import Misfit, Setting, Spec, StoppingRule
from cnnbench.schema import BatchSize, BatchSizes, Distinct, Fraction
from cnnbench.statistics import percentiles
from cnnbench.tasks.task import TASKS


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
Nms = Annotated[list[Annotated[bool, Field(strict=True)]], Distinct, Field(min_length=1)]
Rounds = Annotated[int, Field(strict=True, ge=1, le=100)]
Tail = Literal["p99", "p99.9"]

_LATER = {"nms": False, "tail": "p99"}  # fields added after the first release, with their defaults
_TAIL_ROUNDS = 6


class LatencySetting(Setting):
    """One model in one runtime, timed in fresh processes; ``prepare`` converts it once.

    Attributes:
        nms: the postprocessing of the model's task is inside the file: of a detector, decoding and
            NMS.
        tail: the highest percentile; with ``p99.9`` rounds have the calls for it.
    """

    probe: ClassVar[str] = "latency"
    runtime: Runtime = "graph"
    device: Device = "cpu"
    batch_size: BatchSize = 1
    threads: Threads = "all"
    dtype: Dtype = "float32"
    nms: Annotated[bool, Field(strict=True)] = False
    tail: Tail = "p99"

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit fields added after the first release at their defaults: existing keys stay valid."""
        return without_defaults(plain(self), _LATER)

    @property
    def has_tail(self) -> bool:
        """True if rounds have the calls for `percentiles.TAIL`."""
        return has_tail(self.tail)

    @property
    def needs_prepare(self) -> bool:
        return True

    def label(self) -> str:
        return "/".join(self._axes().values())

    def label_for(self, metric: str) -> str:
        # The file with NMS is another one than that of the row.
        return self.label() if self.nms else super().label_for(metric)

    def axes_for(self, metric: str) -> Mapping[str, str]:
        return self._axes() if self.label_for(metric) else {}

    def _axes(self) -> dict[str, str]:
        inside = {"inside": "nms"} if self.nms else {}
        found = {"device": self.device, "runtime": self.runtime, **inside}
        found["batch"] = f"b{self.batch_size}"
        if self.threads != "all":
            found["threads"] = f"t{self.threads}"
        if self.dtype != "float32":
            found["dtype"] = {"bfloat16": "bf16", "float16": "f16"}[self.dtype]
        return found

    def metrics(self) -> Collection[str]:
        known = RUNTIMES.get(self.runtime)
        names = [name for name in super().metrics() if self.has_tail or not is_of_tail(name)]
        has_file = known is not None and known.ships_file
        return names if has_file else [name for name in names if not name.startswith("file_")]

    def primary_metrics(self) -> tuple[str, ...]:
        return ("latency_p50_s", "latency_location_s")


class TimedSpec(Spec):
    """Cells that are timed in rounds until the interval is as narrow as ``precision``.

    Attributes:
        precision: relative half-width of the 95 % interval to reach.
        min_rounds: the fewest rounds of a cell, each in a fresh process.
        max_rounds: the most.
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


class TailedSpec(TimedSpec):
    """Cells that are timed with the calls that a high percentile needs.

    Attributes:
        tail: ``p99.9`` times at least 1,200 calls a round, so that six rounds have the 6,636 calls
            that this percentile needs.
    """

    tail: Tail = "p99"

    @model_validator(mode="after")
    def _has_the_rounds(self) -> Self:
        if has_tail(self.tail) and self.min_rounds < _TAIL_ROUNDS:
            raise ValueError(
                f"tail: {self.tail} needs {percentiles.CALLS_NEEDED[percentiles.TAIL]:,} calls, "
                f"which {_TAIL_ROUNDS} rounds have, but min_rounds is {self.min_rounds}"
            )
        return self


class LatencySpec(TailedSpec):
    """``latency: {runtimes: [graph, litert], devices: [cpu, gpu], precision: 5%}``

    Attributes:
        runtimes: names that ``cnnbench doctor`` lists.
        devices: where the network runs; a combination that a runtime lacks is skipped.
        batch_sizes: images a call.
        threads: number of threads, or ``all`` that the machine offers.
        dtypes: number formats of the computation.
        nms: time detectors without and with decoding and NMS inside the file; other models are
            timed once, as they are.
    """

    runtimes: Annotated[list[KnownRuntime], Distinct, Field(min_length=1)] = ["graph"]
    devices: Annotated[list[Device], Distinct, Field(min_length=1)] = ["cpu"]
    batch_sizes: BatchSizes = [1]
    threads: Annotated[list[Threads], Distinct, Field(min_length=1)] = ["all"]
    dtypes: Annotated[list[Dtype], Distinct, Field(min_length=1)] = ["float32"]
    nms: Nms = [False]

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        return nms_misfits(self.nms, models)

    def settings(self, model: ModelInfo) -> Iterator[LatencySetting]:
        nms = self.nms if finishes(model) else [False]
        axes = (self.runtimes, self.devices, self.batch_sizes, self.threads, self.dtypes, nms)
        for runtime, device, batch_size, threads, dtype, inside in product(*axes):
            yield LatencySetting(
                runtime=runtime,
                device=device,
                batch_size=batch_size,
                threads=threads,
                dtype=dtype,
                nms=inside,
                tail=self.tail,
            )


def without_defaults(found: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a setting without those of some fields that have their defaults."""
    return {
        name: value
        for name, value in found.items()
        if name not in defaults or value != defaults[name]
    }


def has_tail(tail: str) -> bool:
    """Return whether the highest percentile is `percentiles.TAIL`."""
    return tail == f"p{percentiles.TAIL:g}"


def is_of_tail(metric: str) -> bool:
    """Return whether a metric is the `percentiles.TAIL` of something."""
    return metric.endswith(f"_{percentiles.word(percentiles.TAIL)}_s")


def nms_misfits(nms: Sequence[bool], models: Sequence[ModelInfo]) -> Iterator[Misfit]:
    """Yield a mistake if an entry with these values of ``nms`` applies to no model."""
    if False not in nms and not any(map(finishes, models)):
        what = "nms: [true] applies to none of its models, which have no NMS"
        yield Misfit(("nms",), UserError(what, hint="omit nms, or name a detector"))


def finishes(model: ModelInfo) -> bool:
    """Return whether postprocessing can be put inside the file of a model: that of a detector."""
    return model.converted_file is None and TASKS.find(model.task).finishes
