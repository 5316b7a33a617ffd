"""Settings of the ``compression`` probe: a trained model and the variants to make from it.

A spec expands into cells of four parts: ``train`` the float32 model once, ``convert`` every
variant, then measure ``memory`` and ``latency`` of its file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import Count, Epochs, Rate, is_quality
from cnnbench.probes.compression import variants
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.latency.settings import LatencySetting, Threads
from cnnbench.probes.settings import Setting, StoppingRule
from cnnbench.probes.trained_network import TrainedNetworkSpec, trained_interface
from cnnbench.schema import Distinct, without_duplicates
from cnnbench.statistics.measurement import JudgedImages

# A run's file is finished only when it is exported.
Part = Literal["train", "convert", "memory", "latency", "finish"]
FEWEST_REPRESENTATIVE = 10  # images; fewer do not show the ranges of the activations
MAKING = ("representative", "fine_tune_epochs", "fine_tune_rate")  # options of steps
PARTS: tuple[Part, ...] = ("train", "convert", "memory", "latency")
_FILE = ("file_bytes", "file_gzip_bytes")


def _canonical(text: str) -> str:
    try:
        return variants.canonical(text)
    except UserError as error:
        raise ValueError(error.one_line()) from None


VariantName = Annotated[str, AfterValidator(_canonical)]
VariantNames = Annotated[
    list[VariantName],
    BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
    Field(min_length=1),
    AfterValidator(without_duplicates),
]


class CompressionSetting(Setting):
    """One part of the probe for one variant.

    Attributes:
        part: ``train`` the float32 model, ``convert`` and evaluate a variant, measure the
            ``memory`` or the ``latency`` of its file; ``finish`` it: add what it says about itself
            and check it.
        variant: canonical name of the variant.
        training: training of the float32 model, or the data set of a weights file; None for seeded
            random weights and random images, without accuracy.
        weights: file with the weights of the whole trained model, or ''.
        weights_sha256: hash of that file.
        classes: number of classes of the data set; 0 if unknown before reading it.
        representative: number of training images for the ranges of int8 activations.
        fine_tune_epochs: epochs of each step that fine-tunes.
        fine_tune_rate: learning rate of these steps.
        threads: threads of the interpreter.
        nms: the postprocessing of the task is inside the file; only for exporting.
        int8_io: inputs and outputs are int8, and so is all between; only for exporting.
    """

    probe: ClassVar[str] = "compression"
    shares_files: ClassVar[bool] = True
    part: Part
    variant: str = variants.FLOAT32
    training: AccuracySetting | None = None
    weights: str = ""
    weights_sha256: str = ""
    classes: int = 0
    representative: int = 0
    fine_tune_epochs: int = 0
    fine_tune_rate: float = 0.0
    threads: Threads = "all"
    nms: bool = False
    int8_io: bool = False

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit fields added after the first release at their defaults: existing keys stay valid."""
        found: dict[str, Any] = plain(self)
        return {n: value for n, value in found.items() if value or n not in ("nms", "int8_io")}

    @property
    def depends_on_machine(self) -> bool:
        return self.part in ("memory", "latency")

    def variant_name(self) -> str:
        return self.variant

    def kind(self) -> str:
        steps = len(variants.parse(self.variant).stages) if self.part == "convert" else 0
        return f"{self.probe} {self.part}" + f", {steps} trained" * (steps > 0)

    def stage(self) -> int:
        return PARTS.index(self.part)

    def input_and_classes(self, model: ModelInfo) -> tuple[tuple[int, ...], int]:
        if self.training is None:
            return super().input_and_classes(model)
        objective = self.training.objective([""] * self.classes)
        return trained_interface(model, self.training, objective)

    def label(self) -> str:
        return {
            "train": "float32 training" if self.training else "seeded weights",
            "convert": "conversion",
            "memory": "memory litert/b1",
            "latency": f"latency {self.latency().label()}",
            "finish": "export",
        }[self.part]

    def label_for(self, metric: str) -> str:
        if metric.startswith("memory_"):
            return "litert/b1"
        if is_quality(metric) and self.training:
            return f"{self.training.label()}/litert"
        if metric in ("train_s", "epoch_s", "images_per_s") and self.training:
            return self.training.label()
        if super().label_for(metric) == "":
            return ""
        return self.latency().label()

    def axes_for(self, metric: str) -> Mapping[str, str]:
        if metric.startswith("memory_"):
            return {"runtime": "litert"}
        if is_quality(metric) and self.training:
            return {**self.training.axes_for(metric), "runtime": "litert"}
        timed = self.latency()
        return timed.axes_for(metric) if self.label_for(metric) == timed.label() else {}

    def judged_images(self, metric: str) -> JudgedImages | None:
        return self.training.judged_images(metric) if self.training else None

    def latency(self) -> LatencySetting:
        """Return the setting of the ``latency`` probe with which the file is timed."""
        return LatencySetting(runtime="litert", threads=self.threads)

    def metrics(self) -> Collection[str]:
        trained: Collection[str] = self.training.metrics() if self.training else ()
        quality = [name for name in trained if is_quality(name)]
        found: dict[Part, Collection[str]] = {
            "train": [name for name in trained if name not in quality],
            "convert": [*_FILE, *quality, *super().metrics()],
            "memory": ["memory_infer_peak_bytes"],
            "latency": [name for name in self.latency().metrics() if name not in _FILE],
        }
        return found[self.part]

    def primary_metrics(self) -> tuple[str, ...]:
        quality = (self.training.goal.primary,) if self.training else ()
        metrics: dict[Part, tuple[str, ...]] = {
            "train": (),
            "convert": ("file_bytes", *quality),
            "memory": ("memory_infer_peak_bytes",),
            "latency": ("latency_p50_s", "latency_location_s"),
            "finish": (),
        }
        return metrics[self.part]


class CompressionSpec(TrainedNetworkSpec):
    """``compression: {training: {dataset: digits, epochs: 5}, variants: [ptq-int8, pruned-80]}``

    Attributes:
        variants: how networks are compressed; ``float32``, the baseline, is always included.
        representative: number of training images for the ranges of ``ptq-int8``.
        fine_tune_epochs: epochs of each step that fine-tunes (pruning, clustering, ``qat-int8``).
        fine_tune_rate: learning rate of these steps.
        threads: threads of the interpreter, for latency.
        memory_repeats: number of processes in which memory is measured.
    """

    variants: VariantNames = ["float32", "ptq-dynamic", "ptq-float16", "ptq-int8"]
    representative: Count = 100
    fine_tune_epochs: Epochs = 2
    fine_tune_rate: Rate = 0.0001
    threads: Annotated[list[Threads], Distinct, Field(min_length=1)] = ["all"]
    memory_repeats: Annotated[int, Field(strict=True, ge=1, le=50)] = 1

    def cells(self, model: ModelInfo) -> Iterator[tuple[Setting, StoppingRule]]:
        once = StoppingRule()
        network = self.network(model)
        yield CompressionSetting(part="train", **network), once
        names = dict.fromkeys([variants.FLOAT32, *self.variants])
        chosen = {name: getattr(self, name) for name in MAKING}
        for name in names:
            steps = making(variants.parse(name), chosen)
            made = network | steps | {"variant": name}
            yield CompressionSetting(part="convert", **made), once
            several = StoppingRule(at_least=self.memory_repeats, at_most=self.memory_repeats)
            yield CompressionSetting(part="memory", **made), several
            for threads in self.threads:
                timed = CompressionSetting(part="latency", **made, threads=threads)
                yield timed, self.stopping_rule()


def making(variant: Variant, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options ``chosen``, named by `MAKING`, that ``variant`` depends on."""
    needed = {
        "representative": any(step.needs_representative for step in variant.steps),
        "fine_tune_epochs": variant.is_fine_tuned,
        "fine_tune_rate": variant.is_fine_tuned,
    }
    return {name: value for name, value in chosen.items() if needed[name]}
