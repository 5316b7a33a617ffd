"""Settings of the ``stages`` probe: a trained network, its pictures, and the runtimes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import Count
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import (
    KnownRuntime,
    LatencySetting,
    Nms,
    Runtime,
    Threads,
    finishes,
    nms_misfits,
)
from cnnbench.probes.settings import Misfit, Setting, StoppingRule
from cnnbench.probes.trained_network import TrainedNetworkSpec, trained_interface
from cnnbench.schema import Distinct

Part = Literal["weights", "time"]
PARTS: tuple[Part, ...] = ("weights", "time")
WHOLE = "end_to_end"
STAGES = ("preprocess", "network", "postprocess", WHOLE)
INSIDE = ("preprocess", "finished", WHOLE)
"""The stages where the postprocessing is inside the file."""
UNTRAINED = "untrained weights"


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
    """

    probe: ClassVar[str] = "stages"
    part: Part
    training: AccuracySetting | None = None
    weights: str = ""
    weights_sha256: str = ""
    classes: int = 0
    pictures: int = 32
    runtime: Runtime = "litert"
    threads: Threads = "all"
    nms: bool = False

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that a round times."""
        return INSIDE if self.nms else STAGES

    @property
    def needs_prepare(self) -> bool:
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
            return super().input_and_classes(model)
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
        return LatencySetting(runtime=self.runtime, threads=self.threads, nms=self.nms)

    def primary_metrics(self) -> tuple[str, ...]:
        if self.part == "weights":
            return ()
        return tuple(map(shown_metric, self.stages))


def shown_metric(stage: str) -> str:
    """Return the metric with the median of a stage."""
    return f"{stage}_p50_s" if stage == WHOLE else f"{stage}_s"


class StagesSpec(TrainedNetworkSpec):
    """``stages: {training: {dataset: scenes, epochs: 5}, runtimes: [litert]}``

    Attributes:
        runtimes, threads: as in the ``latency`` probe, on the CPU with batch size 1.
        pictures: number of test pictures, used in turn.
        nms: time detectors with decoding and NMS outside the file (false), inside it (true), or
            both.
    """

    runtimes: Annotated[list[KnownRuntime], Distinct, Field(min_length=1)] = ["litert"]
    threads: Annotated[list[Threads], Distinct, Field(min_length=1)] = ["all"]
    pictures: Annotated[Count, Field(le=1000)] = 32
    nms: Nms = [False]

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        yield from super().misfits(models)
        yield from nms_misfits(self.nms, models)
        for place, runtime in enumerate(self.runtimes):
            if RUNTIMES[runtime].rebuilds:
                what = f"{runtime} builds the untrained model again in every round"
                yield Misfit(("runtimes", place), UserError(what, hint="graph runs the same"))

    def cells(self, model: ModelInfo) -> Iterator[tuple[Setting, StoppingRule]]:
        network = {**self.network(model), "pictures": self.pictures}
        yield StagesSetting(part="weights", **network), StoppingRule()
        nms = self.nms if finishes(model) else [False]
        for runtime, threads, inside in product(self.runtimes, self.threads, nms):
            timed = StagesSetting(
                part="time", **network, runtime=runtime, threads=threads, nms=inside
            )
            yield timed, self.stopping_rule()
