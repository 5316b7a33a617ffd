"""Settings of the ``compression`` probe: one trained network and what is done to it.

A form becomes cells in four parts: the float32 network is trained once, every variant is made of
it and converted, then the files are opened and run, for memory and for latency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cnnbench import files
from cnnbench.errors import UserError
from cnnbench.metrics import QUALITY
from cnnbench.models.handle import Model
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.accuracy.training_config import Count, Epochs, ImageSize, Rate, TrainingConfig
from cnnbench.probes.compression import variants
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.latency.settings import LatencySetting, Threads, TimedSpec
from cnnbench.probes.settings import Setting, StoppingRule
from cnnbench.schema import Distinct
from cnnbench.tasks.classification import outputs

Part = Literal["train", "convert", "memory", "latency"]
FEWEST_REPRESENTATIVE = 10  # images: of fewer the ranges of the activations are not known
PARTS: tuple[Part, ...] = ("train", "convert", "memory", "latency")


def _canonical(text: str) -> str:
    try:
        return variants.canonical(text)
    except UserError as error:
        raise ValueError(error.one_line()) from None


def _distinct(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' stands in the list twice")
    return names


VariantName = Annotated[str, AfterValidator(_canonical)]
VariantNames = Annotated[
    list[VariantName],
    BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
    Field(min_length=1),
    AfterValidator(_distinct),
]


class Training(TrainingConfig):
    """Training of the float32 network: a schedule of the ``accuracy`` probe, with one seed.

    Attributes:
        recipe: those that train; the weights of a file are said beside it (`CompressionSpec`).
        image_size: as of the ``accuracy`` probe.
        task: variants are made and compared for classification alone.
    """

    task: Literal["classification"] = "classification"
    recipe: Literal["scratch", "transfer"] = "scratch"
    image_size: ImageSize | None = None

    @model_validator(mode="after")
    def _asks_for_weights_only(self) -> Self:
        for name in ("target_top1", "keep_weights"):
            if getattr(self, name):
                raise ValueError(
                    f"{name} is of the accuracy probe; here the weights are kept anyway"
                )
        return self

    def setting(self, model: Model, dataset_sha256: str, weights_sha256: str) -> Any:
        """The same with every default filled in for ``model``.

        Raises:
            UserError: the model cannot take the image size.
        """
        hashes = {"dataset_sha256": dataset_sha256, "weights_sha256": weights_sha256}
        return next(self.spec().model_copy(update=hashes).settings(model))

    def spec(self) -> AccuracySpec:
        """The same training as a form of the ``accuracy`` probe."""
        return AccuracySpec(**{name: getattr(self, name) for name in self.model_fields_set})


@dataclass(frozen=True)
class TrainedNetwork:
    """A suite's model at the input and with the classes that it is trained for."""

    model: Any
    input_shape: tuple[int, ...]
    classes: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


class CompressionSetting(Setting):
    """One part of the work on one variant.

    Attributes:
        part: ``train`` the network, ``convert`` a variant and judge it, measure its ``memory``
            or its ``latency``.
        variant: what is done to the network.
        training: how it is trained, or on which data a weights file was; None for seeded random
            weights and random images, of which no accuracy can be told.
        weights: a file with the weights of the whole trained network, or ''.
        weights_sha256: of that file.
        classes: of the data set; 0 where only reading it tells.
        representative: how many training images the ranges of int8 activations are read from.
        fine_tune_epochs, fine_tune_rate: of the toolkit's variants.
        threads: of the interpreter.
    """

    probe: ClassVar[str] = "compression"
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

    def variant_name(self) -> str:
        return self.variant

    def kind(self) -> str:
        steps = variants.parse(self.variant).trained_steps if self.part == "convert" else 0
        return f"{self.probe} {self.part}" + f", {steps} trained" * (steps > 0)

    def stage(self) -> int:
        return PARTS.index(self.part)

    def network(self, model: Any) -> Any:
        if self.training is None:
            return model
        shape, classes = self.training.images_for(model.input_shape), self.classes
        if self.training.recipe == "scratch":
            classes = outputs.width(model.classes, classes)
        return TrainedNetwork(model, shape, classes)

    def label(self) -> str:
        match self.part:
            case "train":
                return "float32 training" if self.training else "seeded weights"
            case "convert":
                return "conversion"
            case "memory":
                return "memory litert/b1"
            case "latency":
                return f"latency {self.latency().label()}"

    def label_for(self, metric: str) -> str:
        if metric.startswith("memory_"):
            return "litert/b1"
        if (metric in QUALITY or metric == "agreement") and self.training:
            return f"{self.training.label()}/litert"
        if metric in ("train_s", "epoch_s", "images_per_s") and self.training:
            return self.training.label()
        if super().label_for(metric) == "":
            return ""
        return self.latency().label()

    def latency(self) -> LatencySetting:
        """The call path that the file is timed in."""
        return LatencySetting(runtime="litert", threads=self.threads)

    def primary_metrics(self) -> tuple[str, ...]:
        match self.part:
            case "train":
                return ()
            case "convert":
                return ("file_bytes", "top1") if self.training else ("file_bytes",)
            case "memory":
                return ("memory_infer_peak_bytes",)
            case "latency":
                return ("latency_p50_s", "latency_location_s")


class CompressionSpec(TimedSpec):
    """``compression: {training: {dataset: digits, epochs: 5}, variants: [ptq-int8, pruned-80]}``

    Attributes:
        variants: in the words of `variants.GRAMMAR`; ``float32``, of which all are made and with
            which all are compared, is always among them.
        training: how the float32 network is trained; left out, its weights are random.
        weights: a file with the weights of the whole trained network; ``training`` then only
            says on which data (and, by its recipe, how the network looks).
        representative: images that post-training int8 reads its ranges from.
        fine_tune_epochs, fine_tune_rate: of pruning, clustering and quantisation-aware training.
        threads: of the interpreter, for latency.
        precision, min_rounds, max_rounds: as of ``latency``.
        memory_repeats: processes that memory is measured in.
        weights_sha256, dataset_sha256: what the files must be; by default what they are.
    """

    variants: VariantNames = ["float32", "ptq-dynamic", "ptq-float16", "ptq-int8"]
    training: Training | None = None
    weights: Annotated[str, Field(min_length=1)] | None = None
    representative: Count = 100
    fine_tune_epochs: Epochs = 2
    fine_tune_rate: Rate = 0.0001
    threads: Annotated[list[Threads], Distinct, Field(min_length=1)] = ["all"]
    memory_repeats: Annotated[int, Field(strict=True, ge=1, le=50)] = 1
    weights_sha256: str = ""
    dataset_sha256: str = ""
    backbone_sha256: str = ""
    folder_classes: int = 0
    folder_notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.weights and self.training is None:
            raise ValueError("weights needs 'training: {dataset: ...}': what were they trained on?")
        return self

    def cells(self, model: Model) -> Iterator[tuple[Setting, StoppingRule]]:
        once = StoppingRule()
        network = self._network(model)
        yield CompressionSetting(part="train", **network), once
        names = dict.fromkeys([variants.FLOAT32, *self.variants])
        for name in names:
            steps = making(
                variants.parse(name),
                representative=self.representative,
                fine_tune_epochs=self.fine_tune_epochs,
                fine_tune_rate=self.fine_tune_rate,
            )
            made = network | steps | {"variant": name}
            yield CompressionSetting(part="convert", **made), once
            several = StoppingRule(at_least=self.memory_repeats, at_most=self.memory_repeats)
            yield CompressionSetting(part="memory", **made), several
            for threads in self.threads:
                timed = CompressionSetting(part="latency", **made, threads=threads)
                yield timed, self.stopping_rule()

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """The same with the hashes of the files and the folder that are found now."""
        update: dict[str, Any] = {}
        if self.weights and not self.weights_sha256:
            where = files.weights_folders(search_path, data_dir)
            update["weights_sha256"] = files.hash_of(self.weights, where)
        if self.training is not None:
            located = self.training.spec().located(search_path, data_dir)
            update["backbone_sha256"] = self.backbone_sha256 or located.weights_sha256
            update["dataset_sha256"] = self.dataset_sha256 or located.dataset_sha256
            update["folder_classes"] = located.folder_classes
            update["folder_notes"] = located.folder_notes
        return self.model_copy(update=update)

    def notes(self, models: Sequence[Model]) -> Iterator[str]:
        if self.training is None:
            return super().notes(models)
        spec = self.training.spec().model_copy(update={"folder_notes": self.folder_notes})
        return spec.notes(models)

    def _network(self, model: Model) -> dict[str, Any]:
        """What decides the float32 network."""
        if self.training is None:
            return {}
        return {
            "training": self.training.setting(model, self.dataset_sha256, self.backbone_sha256),
            "weights": self.weights or "",
            "weights_sha256": self.weights_sha256,
            "classes": self.training.data_set.facts.classes or self.folder_classes,
        }


def making(
    variant: Variant, *, representative: float, fine_tune_epochs: float, fine_tune_rate: float
) -> dict[str, Any]:
    """Of these, what the making of ``variant`` depends on, as fields of a `CompressionSetting`."""
    found: dict[str, Any] = {}
    if variant.quantisation == "ptq-int8":
        found["representative"] = representative
    if variant.is_trained_further:
        found["fine_tune_epochs"] = fine_tune_epochs
        found["fine_tune_rate"] = fine_tune_rate
    return found
