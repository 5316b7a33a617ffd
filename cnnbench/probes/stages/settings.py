"""Settings of the ``stages`` probe: a trained network, its pictures, and the runtimes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.accuracy.serving import size_note
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import Count
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import (
    KnownRuntime,
    LatencySetting,
    Nms,
    Runtime,
    Tail,
    TailedSpec,
    Threads,
    finishes,
    has_tail,
    is_of_tail,
    nms_misfits,
    without_defaults,
)
from cnnbench.probes.settings import Misfit, Setting, StoppingRule
from cnnbench.probes.trained_network import TrainedNetworkSpec, trained_interface
from cnnbench.schema import Distinct

Part = Literal["weights", "time"]
Side = Annotated[int, Field(strict=True, ge=4, le=4096)]
PARTS: tuple[Part, ...] = ("weights", "time")
WHOLE = "end_to_end"
STAGES = ("preprocess", "network", "postprocess", WHOLE)
INSIDE = ("preprocess", "finished", WHOLE)
"""The stages where the postprocessing is inside the file."""
COPIES = ("copy_in", "compute", "copy_out")
"""The parts of the network where copies are told apart."""
SHARE = "stages_share"
"""The metric that compares the sum of the stages with the end-to-end time."""
UNTRAINED = "untrained weights"

_LATER = {"in_sequence": False, "copies": False, "tail": "p99", "image_size": 0}


class StagesSetting(Setting):
    """One part of the probe: make the weights once, or time all stages in one runtime.

    Attributes:
        part: ``weights``: train the network and write its pictures; ``time``: time a round.
        training: training of the network, or the data set of a weights file; None for seeded
            random weights and random pictures.
        weights: file with the weights of the whole trained model, or ''.
        weights_sha256: hash of that file.
        classes: number of classes of the data set; 0 if unknown before reading it.
        pictures: number of test pictures, used in turn.
        runtime, threads: as in the ``latency`` probe.
        nms: run the postprocessing inside the file.
        in_sequence: stages are timed within the end-to-end call; False in journals of versions that
            timed each in a loop of its own.
        copies: time copying in, computing and copying out apart.
        tail: as in the ``latency`` probe.
        image_size: side in px of the input of a model without training; 0 for its own.
    """

    probe: ClassVar[str] = "stages"
    shares_files: ClassVar[bool] = True
    part: Part
    training: AccuracySetting | None = None
    weights: str = ""
    weights_sha256: str = ""
    classes: int = 0
    pictures: int = 32
    runtime: Runtime = "litert"
    threads: Threads = "all"
    nms: bool = False
    in_sequence: bool = False
    copies: bool = False
    tail: Tail = "p99"
    image_size: int = 0

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit fields added later at their defaults: existing keys stay valid."""
        return without_defaults(plain(self), _LATER)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that a round times, and the parts of its network."""
        first, *others = self.summed
        return (first, *(COPIES if self.copies else ()), *others, WHOLE)

    @property
    def summed(self) -> tuple[str, ...]:
        """The stages that make up the end-to-end time."""
        return (INSIDE if self.nms else STAGES)[:-1]

    @property
    def needs_prepare(self) -> bool:
        return self.part == "time"

    @property
    def depends_on_machine(self) -> bool:
        return self.part == "time"

    def kind(self) -> str:
        return f"{self.probe} {self.part}"

    def training_pixels(self, input_shape: Sequence[int]) -> float:
        is_trained = self.part == "weights" and self.training and not self.weights
        return self.training.training_pixels(input_shape) if is_trained and self.training else 0.0

    def stage(self) -> int:
        return PARTS.index(self.part)

    def input_and_classes(self, model: ModelInfo) -> tuple[tuple[int, ...], int]:
        if self.training is None:
            (*sides, channels), classes = super().input_and_classes(model)
            return (*([self.image_size] * 2 if self.image_size else sides), channels), classes
        objective = self.training.objective([""] * self.classes)
        return trained_interface(model, self.training, objective)

    def trained_label(self) -> str:
        """Return the label of the training, as in the columns of its quality."""
        return self.training.label() if self.training else UNTRAINED

    def label(self) -> str:
        if self.part == "weights":
            return self.trained_label()
        return f"{self.latency().label()}/{self.trained_label()}"

    def label_for(self, metric: str) -> str:
        return self.trained_label() if metric == "train_s" else super().label_for(metric)

    def axes_for(self, metric: str) -> Mapping[str, str]:
        return self.latency().axes_for(metric) if self.part == "time" else {}

    def latency(self) -> LatencySetting:
        """Return the setting of the ``latency`` probe with which the network is timed."""
        return LatencySetting(
            runtime=self.runtime, threads=self.threads, nms=self.nms, tail=self.tail
        )

    @property
    def has_tail(self) -> bool:
        """True if rounds have the calls for `percentiles.TAIL`."""
        return has_tail(self.tail)

    def metrics(self) -> Collection[str]:
        names = [name for name in super().metrics() if self.has_tail or not is_of_tail(name)]
        apart = set(map(shown_metric, COPIES))
        return names if self.copies else [name for name in names if name not in apart]

    def primary_metrics(self) -> tuple[str, ...]:
        if self.part == "weights":
            return ()
        return tuple(map(shown_metric, (*self.summed, WHOLE)))


def shown_metric(stage: str) -> str:
    """Return the metric with the median of a stage."""
    return f"{stage}_p50_s" if stage == WHOLE else f"{stage}_s"


class StagesSpec(TrainedNetworkSpec, TailedSpec):
    """``stages: {training: {dataset: scenes, epochs: 5}, runtimes: [litert]}``

    Attributes:
        runtimes, threads: as in the ``latency`` probe, on the CPU with batch size 1.
        pictures: number of test pictures, used in turn.
        image_sizes: sides of the input in px, one after another, for models that do not set their
            own input; by default that of the training, without one the model's own.
        nms: time detectors with decoding and NMS outside the file (false), inside it (true), or
            both.
        copies: also time copying in, computing and copying out apart, in the runtimes that allow
            it.
    """

    runtimes: Annotated[list[KnownRuntime], Distinct, Field(min_length=1)] = ["litert"]
    threads: Annotated[list[Threads], Distinct, Field(min_length=1)] = ["all"]
    pictures: Annotated[Count, Field(le=1000)] = 32
    image_sizes: Annotated[list[Side], Distinct, Field(min_length=1)] | None = None
    nms: Nms = [False]
    copies: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _has_one_choice_of_sizes(self) -> Self:
        if self.image_sizes and self.training and self.training.image_size is not None:
            raise ValueError("image_sizes and image_size of training exclude each other")
        return self

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        yield from super().misfits(models)
        yield from nms_misfits(self.nms, models)
        for place, runtime in enumerate(self.runtimes):
            if RUNTIMES[runtime].rebuilds:
                what = f"{runtime} builds the untrained model again in every round"
                yield Misfit(("runtimes", place), UserError(what, hint="graph runs the same"))

    def cells(self, model: ModelInfo) -> Iterator[tuple[Setting, StoppingRule]]:
        nms = self.nms if finishes(model) else [False]
        for network in self._networks(model):
            yield StagesSetting(part="weights", **network), StoppingRule()
            for runtime, threads, inside in product(self.runtimes, self.threads, nms):
                timed = StagesSetting(
                    part="time",
                    **network,
                    runtime=runtime,
                    threads=threads,
                    nms=inside,
                    in_sequence=True,
                    copies=self.copies and RUNTIMES[runtime].copies_apart,
                    tail=self.tail,
                )
                yield timed, self.stopping_rule()

    def notes(self, models: Sequence[ModelInfo]) -> Iterator[str]:
        found = [
            note for spec in self._of_each_size() for note in super(StagesSpec, spec).notes(models)
        ]
        yield from dict.fromkeys(found)
        kept = [model for model in models if _keeps_its_own(model)]
        if self.image_sizes and self.training is None and kept:
            yield size_note("image_sizes", ", ".join(map(str, self.image_sizes)), models, kept)

    def _networks(self, model: ModelInfo) -> Iterator[dict[str, Any]]:
        """Yield the fields of a setting that decide the network, for each size of its input."""
        found: list[dict[str, Any]] = []
        for spec in self._of_each_size():
            network = {**spec.network(model), "pictures": self.pictures}
            if spec.training is None and spec.image_sizes:
                network["image_size"] = _side(model, spec.image_sizes[0])
            if network not in found:  # a model that keeps its own input has one size
                found.append(network)
        yield from found

    def _of_each_size(self) -> Iterator[Self]:
        """Yield the entry for a single size of the input, for each size."""
        for size in self.image_sizes or ():
            update: dict[str, Any] = {"image_sizes": [size]}
            if self.training is not None:
                update["training"] = self.training.model_copy(update={"image_size": size})
            yield self.model_copy(update=update)
        if not self.image_sizes:
            yield self


def _keeps_its_own(model: ModelInfo) -> bool:
    """Return whether a model that is not trained is timed at its own input."""
    return "input_shape" in model.stated | model.fixed


def _side(model: ModelInfo, size: int) -> int:
    """Return ``size``, or 0 for a model that keeps its own input.

    Raises:
        UserError: the model cannot be built so small.
    """
    if _keeps_its_own(model):
        return 0
    if size < (model.min_size or 1):
        raise UserError(
            f"image_sizes has {size}, but it takes at least {model.min_size} px",
            hint="omit the size, or name the models that it applies to",
        )
    return size
