"""Settings of the ``tracking`` probe: detector, tracker and sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from cnnbench import files
from cnnbench.data.datasets import short_name
from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.named import Named, parse
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training_config import Count, DataSetName
from cnnbench.probes.settings import Misfit, Setting, StoppingRule
from cnnbench.probes.trained_network import NetworkSpec, trained_interface
from cnnbench.schema import Distinct
from cnnbench.tasks.detection import Detection
from cnnbench.tasks.task import TASKS
from cnnbench.tasks.tracking import tracker as trackers

Source = Literal["detector", "truth"]
TRUTH: Source = "truth"


def _complete(name: str) -> str:
    """Return a tracker's name with all of its parameters, as it stands in a key."""
    try:
        found: Any = trackers.resolve(name)
    except UserError as error:
        raise ValueError(error.one_line()) from None
    values = tuple(found.model_dump(mode="json").items())
    return str(Named(parse(name, "tracker").name, values))


def _with_sequences(name: str, info: ValidationInfo) -> str:
    from cnnbench.tasks.tracking.footage import recipe_of

    try:
        recipe_of(name)
    except UserError as error:
        raise ValueError(error.one_line()) from None
    return name


def _finds_boxes(model: ModelInfo) -> bool:
    """Return whether a model is a detector; one that also finds masks is."""
    return isinstance(TASKS.find(model.task), Detection)


TrackerName = Annotated[str, AfterValidator(_complete)]
Sequences = Annotated[DataSetName, AfterValidator(_with_sequences)]
Share = Annotated[float, Field(ge=0, le=1)]


class TrackingSetting(Setting):
    """One detector with one tracker on sequences; a repeat is a seed of the detector's training.

    Attributes:
        tracker: its name with all parameters.
        detections: those of the ``detector``, or the true boxes (``truth``), which show the
            tracker's own mistakes.
        training: the detector's training, or the data set of a weights file; None for ``truth``.
        weights, weights_sha256: a file with the weights of the whole trained detector, or ''.
        classes: number of classes of the data set; 0 if unknown before reading it.
        dataset, dataset_sha256: the sequences; the hash of a folder.
        sequences: their number.
        hidden: the largest share of an object that may be hidden in a frame of ``scenes``;
            sequences in which more is hidden are passed over.
        score_floor: boxes with lower scores are given to no tracker.
        nms_iou: of two boxes of any class with a larger IoU, only the one with the higher score is
            kept.
    """

    probe: ClassVar[str] = "tracking"
    shares_files: ClassVar[bool] = True
    tracker: TrackerName
    detections: Source = "detector"
    training: AccuracySetting | None = None
    weights: str = ""
    weights_sha256: str = ""
    classes: int = 0
    dataset: str = "scenes"
    dataset_sha256: str = ""
    sequences: int = 20
    hidden: float = 1.0
    score_floor: float = 0.1
    nms_iou: float = 0.4

    @property
    def tracker_label(self) -> str:
        """The tracker's name with the parameters that are not its defaults."""
        written = parse(self.tracker, "tracker")
        usual = dict(parse(_complete(written.name), "tracker").parameters)
        changed = [(key, value) for key, value in written.parameters if usual[key] != value]
        return str(Named(written.name, tuple(changed)))

    @property
    def depends_on_machine(self) -> bool:
        return False

    @property
    def depends_on_model(self) -> bool:
        return self.detections != TRUTH

    def kind(self) -> str:
        return f"{self.probe} {self.detections}"

    def input_and_classes(self, model: ModelInfo) -> tuple[tuple[int, ...], int]:
        if self.training is None:
            return super().input_and_classes(model)
        objective = self.training.objective([""] * self.classes)
        return trained_interface(model, self.training, objective)

    def sequences_label(self) -> str:
        """Return the part of the label on the sequences."""
        parts = [short_name(self.dataset), f"n{self.sequences}"]
        if self.hidden != type(self).model_fields["hidden"].default:
            parts.append(f"hidden={self.hidden:g}")
        return "/".join(parts)

    def footage_label(self) -> str:
        """Return the part of the label on sequences and the boxes given to the tracker."""
        parts: list[str] = [TRUTH] if self.detections == TRUTH else []
        parts.append(self.sequences_label())
        fields = type(self).model_fields
        for name in ("score_floor", "nms_iou"):
            if (value := getattr(self, name)) != fields[name].default:
                parts.append(f"{name}={value:g}")
        parts += [f"weights={PurePath(self.weights).name}"] if self.weights else []
        return "/".join([*parts, *([self.training.label()] if self.training else [])])

    def label(self) -> str:
        return f"{self.tracker_label}/{self.footage_label()}"

    def label_for(self, metric: str) -> str:
        return self.footage_label() if metric == "detector_s" else super().label_for(metric)

    def primary_metrics(self) -> tuple[str, ...]:
        return ("hota",)


class TrackingSpec(NetworkSpec):
    """``tracking: {training: {dataset: scenes, epochs: 5}, trackers: [sort, bytetrack]}``

    It applies to detectors.

    Attributes:
        trackers: names, with parameters: ``sort[max_age=10]``.
        detections: ``detector``, ``truth``, or both.
        dataset: the sequences: ``scenes``, or ``folder:PATH``.
        sequences: their number.
        hidden: the largest share of an object that may be hidden in a frame of ``scenes``.
        score_floor: boxes with lower scores are given to no tracker.
        nms_iou: of two boxes of any class with a larger IoU, only the one with the higher score is
            kept.
        sequences_sha256: required hash of a folder with sequences; by default that of the present.
        seeds: number of trainings.
    """

    names_unserved: ClassVar[bool] = False

    trackers: Annotated[list[TrackerName], Distinct, Field(min_length=1)] = Field(
        default_factory=lambda: [_complete("sort")]
    )
    detections: Annotated[list[Source], Distinct, Field(min_length=1)] = ["detector"]
    dataset: Sequences = "scenes"
    sequences: Annotated[Count, Field(le=10_000)] = 20
    hidden: Share = 1.0
    score_floor: Share = 0.1
    nms_iou: Annotated[float, Field(gt=0, le=1)] = 0.4
    sequences_sha256: str = ""
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 3

    @model_validator(mode="after")
    def _has_a_detector(self) -> Self:
        if "detector" in self.detections and self.training is None:
            raise ValueError(
                "tracking needs training: {dataset: ...}, that of the detector, or detections: "
                "truth"
            )
        return self

    def serves(self, model: ModelInfo) -> bool:
        return _finds_boxes(model) and super().serves(model)

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        detectors = [model for model in models if _finds_boxes(model)]
        if not detectors:
            what = "tracking needs a detector, and none of the models is one"
            yield Misfit((), UserError(what, hint="for example BasicCNN+yolo"))
            return
        for place, model in enumerate(models if self.models else ()):
            if model not in detectors:
                what = f"{model.label} is no detector, which tracking needs"
                yield Misfit(("models", place), UserError(what))
        yield from super().misfits(detectors)

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """Return a copy with the hashes of its files.

        Raises:
            UserError: mistakes in the files of true objects of a folder.
        """
        from cnnbench.tasks.tracking import footage

        is_detected = "detector" in self.detections
        footage.check(self.dataset, self.sequences, search_path, is_detected)
        found = super().located(search_path, data_dir)
        _, colon, path = self.dataset.partition(":")
        if not colon or self.sequences_sha256:
            return found
        return found.model_copy(update={"sequences_sha256": files.hash_of(path, search_path)})

    def cells(self, model: ModelInfo) -> Iterator[tuple[Setting, StoppingRule]]:
        shared: dict[str, Any] = {
            "dataset": self.dataset,
            "dataset_sha256": self.sequences_sha256,
            "sequences": self.sequences,
            "hidden": self.hidden,
        }
        boxes = {"score_floor": self.score_floor, "nms_iou": self.nms_iou}
        for source, tracker in product(self.detections, self.trackers):
            network = {} if source == TRUTH else self.network(model) | boxes
            setting = TrackingSetting(tracker=tracker, detections=source, **shared, **network)
            times = self.seeds if network and not self.weights else 1
            yield setting, StoppingRule(at_least=times, at_most=times)
