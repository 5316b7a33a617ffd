"""Settings of the ``compression`` probe: a trained model and the variants to make from it.

A spec expands into cells of four parts: ``train`` the float32 model once, ``convert`` every
variant, then measure ``memory`` and ``latency`` of its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cnnbench import files
from cnnbench.data.annotations import Kind
from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec, is_quality
from cnnbench.probes.accuracy.task_options import targets_in
from cnnbench.probes.accuracy.training_config import Count, Epochs, ImageSize, Rate, TrainingConfig
from cnnbench.probes.compression import variants
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.latency.settings import LatencySetting, Threads, TimedSpec
from cnnbench.probes.settings import Misfit, Setting, StoppingRule
from cnnbench.schema import Distinct, without_duplicates
from cnnbench.statistics.measurement import JudgedImages
from cnnbench.tasks.task import Objective

Part = Literal["train", "convert", "memory", "latency"]
FEWEST_REPRESENTATIVE = 10  # images; fewer do not show the ranges of the activations
MAKING = ("representative", "fine_tune_epochs", "fine_tune_rate")  # options of steps
PARTS: tuple[Part, ...] = ("train", "convert", "memory", "latency")


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


class Training(TrainingConfig):
    """Training of the float32 model: the options of the ``accuracy`` probe, with one seed.

    Attributes:
        recipe: one that trains; a weights file is given in `CompressionSpec`.
        image_size: as there.
    """

    recipe: Literal["scratch", "transfer"] = "scratch"
    image_size: ImageSize | None = None

    @model_validator(mode="after")
    def _has_no_accuracy_options(self) -> Self:
        kept = ["keep_weights"] if self.keep_weights else []
        for name in targets_in(self.options) + kept:
            words = "is an option of the accuracy probe; here weights are always kept"
            raise ValueError(f"{name} {words}")
        return self

    def setting(
        self, model: ModelInfo, dataset_sha256: str, weights_sha256: str
    ) -> AccuracySetting:
        """Return the setting of this training for ``model``, with every default filled in.

        Raises:
            UserError: the model does not support the image size.
        """
        hashes = {"dataset_sha256": dataset_sha256, "weights_sha256": weights_sha256}
        return next(self.spec().model_copy(update=hashes).settings(model))

    def spec(self) -> AccuracySpec:
        """Return the same training as a spec of the ``accuracy`` probe."""
        return AccuracySpec(**{name: getattr(self, name) for name in self.model_fields_set})


class CompressionSetting(Setting):
    """One part of the probe for one variant.

    Attributes:
        part: ``train`` the float32 model, ``convert`` and evaluate a variant, measure the
            ``memory`` or the ``latency`` of its file.
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

    def primary_metrics(self) -> tuple[str, ...]:
        quality = (self.training.goal.primary,) if self.training else ()
        metrics: dict[Part, tuple[str, ...]] = {
            "train": (),
            "convert": ("file_bytes", *quality),
            "memory": ("memory_infer_peak_bytes",),
            "latency": ("latency_p50_s", "latency_location_s"),
        }
        return metrics[self.part]


class CompressionSpec(TimedSpec):
    """``compression: {training: {dataset: digits, epochs: 5}, variants: [ptq-int8, pruned-80]}``

    Attributes:
        variants: names as in `variants.GRAMMAR`; ``float32``, the baseline, is always included.
        training: training of the float32 model; by default its weights are random.
        weights: file with the weights of the whole trained model; ``training`` then only gives the
            data set, and by its recipe the architecture of the head.
        representative: number of training images for the ranges of ``ptq-int8``.
        fine_tune_epochs: epochs of each step that fine-tunes (pruning, clustering, ``qat-int8``).
        fine_tune_rate: learning rate of these steps.
        threads: threads of the interpreter, for latency.
        precision, min_rounds, max_rounds: as in the ``latency`` probe.
        memory_repeats: number of processes in which memory is measured.
        weights_sha256, dataset_sha256: required hashes; by default those of the present files.
    """

    names_unserved: ClassVar[bool] = True

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
    folder_annotations: frozenset[Kind] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.weights and self.training is None:
            raise ValueError(
                "weights needs training: {dataset: ...}, the data they were trained on"
            )
        return self

    def serves(self, model: ModelInfo) -> bool:
        spec = self._training_spec()
        return spec is None or spec.serves(model)

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        spec = self._training_spec()
        for misfit in spec.misfits(models) if spec else ():
            in_training = misfit.key[:1] not in ((), ("models",))
            yield replace(misfit, key=("training", *misfit.key)) if in_training else misfit

    def cells(self, model: ModelInfo) -> Iterator[tuple[Setting, StoppingRule]]:
        once = StoppingRule()
        network = self._network(model)
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

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """Return a copy with the hashes of the weights file and the data folder."""
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
            update["folder_annotations"] = located.folder_annotations
        return self.model_copy(update=update)

    def notes(self, models: Sequence[ModelInfo]) -> Iterator[str]:
        spec = self._training_spec()
        return spec.notes(models) if spec else super().notes(models)

    def _training_spec(self) -> AccuracySpec | None:
        """Return the training as a spec of the ``accuracy`` probe, for the models of this one."""
        if self.training is None:
            return None
        shared = ("models", "folder_notes", "folder_classes", "folder_annotations")
        return self.training.spec().model_copy(update={x: getattr(self, x) for x in shared})

    def _network(self, model: ModelInfo) -> dict[str, Any]:
        """Return the fields of a setting that decide the float32 model."""
        if self.training is None:
            return {}
        return {
            "training": self.training.setting(model, self.dataset_sha256, self.backbone_sha256),
            "weights": self.weights or "",
            "weights_sha256": self.weights_sha256,
            "classes": self.training.data_set.facts.classes or self.folder_classes,
        }


def making(variant: Variant, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options ``chosen``, named by `MAKING`, that ``variant`` depends on."""
    needed = {
        "representative": any(step.needs_representative for step in variant.steps),
        "fine_tune_epochs": variant.is_fine_tuned,
        "fine_tune_rate": variant.is_fine_tuned,
    }
    return {name: value for name, value in chosen.items() if needed[name]}


def trained_interface(
    model: ModelInfo, training: AccuracySetting, objective: Objective
) -> tuple[tuple[int, ...], int]:
    """Return the input shape and outputs of ``model`` as trained; a new head has new outputs."""
    own = model.classes if training.recipe == "scratch" or model.backbone else 0
    return training.images_for(model.input_shape), objective.outputs_for(own)
