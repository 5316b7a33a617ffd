"""Settings of the ``accuracy`` probe: data set, task, recipe and schedule.

A suite's entry and a cell's setting share their fields (`TrainingConfig`); the setting adds what
follows from the model (its task among them), and its label for a column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from cnnbench import files
from cnnbench.data.annotations import Kind
from cnnbench.data.datasets import LocalDataSet, short_name
from cnnbench.data.pictures import Fit
from cnnbench.errors import UserError
from cnnbench.metrics import QUALITY
from cnnbench.models.handle import ModelInfo
from cnnbench.models.model_name import by_architecture
from cnnbench.probes.accuracy import serving, task_options
from cnnbench.probes.accuracy.serving import Serving
from cnnbench.probes.accuracy.task_options import FIELD
from cnnbench.probes.accuracy.training_config import (
    EVALUATING,
    IMAGENET,
    OWN,
    PRETRAINED,
    ImageSize,
    TaskName,
    TrainingConfig,
    is_quality,
    label_parts,
)
from cnnbench.probes.settings import Misfit, Setting, Spec, StoppingRule
from cnnbench.statistics.measurement import JudgedImages
from cnnbench.tasks import task as tasks

# `label` writes these in their own way; keep_weights does not affect a metric.
_NOT_NAMED = frozenset(
    ["dataset", "recipe", "image_size", "epochs", "train_examples", "keep_weights"]
)


class AccuracySetting(TrainingConfig, Setting):
    """One training schedule at one image size; a repeat is a seed.

    Attributes:
        task: the task that the model is trained for.
        image_size: side of the square images in px, or ``own``: the network's input.
        weights_sha256: of the weights file; empty for ``imagenet``.
        dataset_sha256: of a folder's images; empty for named data sets.
        class_names_sha256: of the file with class names, if there is one.
    """

    probe: ClassVar[str] = "accuracy"
    repeats_are_seeds: ClassVar[bool] = True
    task: TaskName = tasks.DEFAULT
    image_size: ImageSize
    weights_sha256: str = ""
    dataset_sha256: str = ""
    class_names_sha256: str = ""

    @property
    def depends_on_machine(self) -> bool:
        return False

    @property
    def goal(self) -> tasks.Task:
        """The task called `task`."""
        return tasks.TASKS[self.task]

    @property
    def target_name(self) -> str:
        """The name of `target` in suites, keys and labels: ``target_top1``."""
        return task_options.target_name(self.goal)

    @property
    def target(self) -> float | None:
        """The value of the task's metric whose time is measured, or None."""
        found: float | None = dict(self.options).get(self.target_name)
        return found

    @property
    def picture_fit(self) -> Fit:
        """Way in which pictures of another shape are brought to the image size."""
        return self.fit or self.goal.fit

    def goal_options(self) -> Any:
        """Return the options of the task as an instance of its `Task.options`."""
        return task_options.parsed(self.goal, self.options)

    def objective(self, classes: Sequence[str]) -> tasks.Objective:
        """Return the objective of a training on a data set with these classes."""
        return self.goal.objective(classes, self.dataset, self.goal_options())

    def kind(self) -> str:
        return f"{self.probe} {self.recipe}"

    def images_for(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """Return ``(height, width, channels)`` of the images for a network with this input.

        Return () if the input is unknown and ``image_size`` is ``own``.
        """
        if self.image_size == OWN:
            return tuple(input_shape)
        return self.image_size, self.image_size, 3 if tuple(input_shape[-1:]) == (3,) else 1

    def training_pixels(self, input_shape: Sequence[int]) -> float:
        if self.recipe in EVALUATING:
            return 0.0
        px = self.data_set.facts.px
        height, width = self.images_for(input_shape)[:2] or (px, px)
        images = self.train_examples or self.data_set.facts.training_images
        passes = self.epochs
        if self.recipe == "transfer":
            through_backbone = self.augment_head and not self.augment.is_off()
            passes = (passes if through_backbone else 1) + self.fine_tune_epochs
        return float(passes * images * height * width)

    def training_seconds(self, metrics: Mapping[str, float]) -> float:
        seconds = super().training_seconds(metrics)
        if self.recipe != "scratch":
            return seconds
        # Without the tracing in the first epoch.
        return min(seconds, metrics.get("epoch_s", seconds) * self.epochs)

    def label(self) -> str:
        parts = [short_name(self.dataset), self.recipe]
        if self.image_size != self.data_set.facts.px and self.recipe != PRETRAINED:
            parts.append(OWN if self.image_size == OWN else f"{self.image_size}px")
        if self.is_changed("epochs"):
            parts.append(f"{self.epochs}ep")
        if self.train_examples is not None:
            parts.append(f"n{self.train_examples}")
        for name in type(self).model_fields:
            if name == FIELD:
                for option, value in self.options:
                    parts.extend(label_parts(option, value))
            elif name not in _NOT_NAMED and self.is_changed(name):
                parts.extend(label_parts(name, getattr(self, name)))
        return "/".join(parts)

    def axes_for(self, metric: str) -> Mapping[str, str]:
        return {"recipe": self.recipe, "weights": self.weights}

    def judged_images(self, metric: str) -> JudgedImages | None:
        if not is_quality(metric):
            return None
        classes = self.data_set.facts.classes
        if self.recipe == PRETRAINED or self.image_size == OWN:
            return JudgedImages(0, classes)
        return JudgedImages(self.image_size, classes)

    def metrics(self) -> Collection[str]:
        others = {name for name, found in QUALITY.items() if found.task != self.task}
        return [name for name in super().metrics() if name.removesuffix("_tier") not in others]

    def shortened(self, epochs: int) -> Self | None:
        if self.recipe in EVALUATING or self.epochs <= epochs:
            return None
        tuned = min(self.fine_tune_epochs, epochs)
        return self.model_copy(update={"epochs": epochs, "fine_tune_epochs": tuned})

    def primary_metrics(self) -> tuple[str, ...]:
        return (self.goal.primary,)

    def _written_options(self) -> dict[str, Any]:
        return task_options.written(self.goal, self.options)


class AccuracySpec(TrainingConfig, Spec):
    """``accuracy: [{dataset: digits, recipe: scratch, epochs: 2, seeds: 3}]``

    Attributes:
        image_size: side in px, for models that do not set their own input, or ``own`` for all; by
            default that of the data set, but at least the model's smallest.
        seeds: number of trainings.
        weights_sha256: required hash of the weights file; by default that of the present file.
        dataset_sha256, class_names_sha256: likewise for a folder and a file of class names.
        folder_notes, folder_classes, folder_annotations: remarks on a folder's layout, the number
            of its classes and what is known of its images; filled in by `located`.
    """

    names_unserved: ClassVar[bool] = True

    image_size: ImageSize | None = None
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 3
    weights_sha256: str = ""
    dataset_sha256: str = ""
    class_names_sha256: str = ""
    folder_notes: tuple[str, ...] = ()
    folder_classes: int = 0
    folder_annotations: frozenset[Kind] | None = None

    def serves(self, model: ModelInfo) -> bool:
        return self._serving().serves(model)

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        offer = self._serving()
        goals = offer.tasks_of(models)
        yield from serving.misfits(offer, self.models, models)
        yield from serving.option_misfits(self.options, goals)
        yield from serving.rotation_misfits(self.augment, goals)

    def settings(self, model: ModelInfo) -> Iterator[AccuracySetting]:
        goal = self._goal(model)
        serving.check(self, model, goal, self.data_set.facts.classes or self.folder_classes)
        fields = {name: getattr(self, name) for name in TrainingConfig.model_fields}
        options = task_options.for_model(goal, self.options)
        fit = None if self.fit == goal.fit else self.fit
        own = {"task": goal.name, FIELD: options, "fit": fit}
        yield AccuracySetting(
            **(fields | own),
            image_size=self._image_size(model),
            weights_sha256=self.weights_sha256,
            dataset_sha256=self.dataset_sha256,
            class_names_sha256=self.class_names_sha256,
        )

    def notes(self, models: Sequence[ModelInfo]) -> Iterator[str]:
        """Yield remarks for the plan: on the folder's layout, and on models that differ.

        A model differs if it keeps its own image size, or is trained for other classes than its
        name states.
        """
        name = short_name(self.dataset)
        yield from (f"{name}: {note}" for note in self.folder_notes)
        kept = [model for model in models if self._keeps_its_own(model)]
        if kept and self.image_size not in (None, OWN):
            yield f"{name}: {serving.size_note('image_size', self.image_size, models, kept)}"
        remarks: dict[str, list[str]] = {}
        for model in models:
            if remark := self._goal(model).plan_remark(model, self.data_set.facts.classes):
                remarks.setdefault(remark, []).append(model.label)
        for remark, labels in remarks.items():
            yield from (f"{name}: {one} {remark}" for one in by_architecture(labels))

    def _serving(self) -> Serving:
        is_local = isinstance(self.data_set, LocalDataSet)
        known = self.folder_annotations if is_local else self.data_set.facts.annotations
        return Serving(short_name(self.dataset), known, self.task, self.recipe)

    def _goal(self, model: ModelInfo) -> tasks.Task:
        """Return the task that a model is trained for."""
        return tasks.TASKS.find(self._serving().task_for(model) or model.task)

    def _keeps_its_own(self, model: ModelInfo) -> bool:
        """Return whether the model is trained at its own input instead of the suite's size.

        A fixed input that is unknown before building is assumed to be the suite's size.
        """
        asked, sides = self.image_size, tuple(model.input_shape[:2])
        if "input_shape" in model.stated:
            return sides != (asked, asked)
        usual = asked or self.data_set.facts.px
        return "input_shape" in model.fixed and sides not in ((), (usual, usual))

    def _image_size(self, model: ModelInfo) -> int | Literal["own"]:
        asked, smallest = self.image_size, model.min_size or 1
        if self.recipe in EVALUATING:
            if asked is not None:
                words = f"recipe: {self.recipe} evaluates a network at its own input"
                raise UserError(words, hint="omit image_size")
            sides = set(model.input_shape[:2])
            return sides.pop() if len(sides) == 1 else OWN
        if asked == OWN or self._keeps_its_own(model):
            return OWN
        if asked is not None and asked < smallest:
            raise UserError(
                f"image_size is {asked}, but it takes at least {smallest} px",
                hint=f"omit image_size, or set it to {smallest}",
            )
        return asked or max(self.data_set.facts.px, smallest)

    def stopping_rule(self) -> StoppingRule:
        times = 1 if self.recipe in EVALUATING else self.seeds  # an evaluation is deterministic
        return StoppingRule(at_least=times, at_most=times)

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """Return a copy with the current hashes of the weights file, images and class names.

        A missing file keeps an empty hash, and its jobs will be skipped. A hash in the suite is
        kept.
        """
        found: dict[str, Any] = {}
        if self.weights != IMAGENET and not self.weights_sha256:
            where = files.weights_folders(search_path, data_dir)
            found["weights_sha256"] = files.hash_of(self.weights, where)
        if isinstance(self.data_set, LocalDataSet):
            local = self.data_set.locate(search_path)
            found["dataset_sha256"] = self.dataset_sha256 or local.sha256
            found |= {"folder_notes": local.notes, "folder_classes": local.classes}
            found["folder_annotations"] = local.annotations
        if self.class_names and not self.class_names_sha256:
            found["class_names_sha256"] = files.hash_of(self.class_names, search_path)
        return self.model_copy(update=found)
