"""Detection: every object of an image with its class and box, evaluated by average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from cnnbench.data.annotations import Kind
from cnnbench.data.pictures import Fit
from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.schema import StrictModel
from cnnbench.tasks.detection.suppression import Suppression
from cnnbench.tasks.resampled_task import RankedByResamples
from cnnbench.tasks.task import Arrays, Objective, Prediction, Shape, TrainedOn

if TYPE_CHECKING:
    from cnnbench.tasks.classification.class_names import OutputsOf
    from cnnbench.tasks.detection.outputs import Detected

Weight = Annotated[float, Field(ge=0, le=1e6)]


class DetectionOptions(StrictModel):
    """Settings of a training that only this task has.

    The first four decide which of a network's boxes are detections, and thus its average precision.
    Weights of losses that the network's coding does not have are ignored.

    Attributes:
        score_threshold: only boxes with a higher score are detections. COCO's protocol keeps nearly
            all of them: a threshold chosen for display, such as 0.3, lowers the average precision.
        nms_iou: of two boxes of one class with a larger IoU, only the one with the higher score is
            kept.
        max_detections: maximum number of detections per image.
        candidates: maximum number of boxes per image, over all classes, that enter non-max
            suppression.
        coordinates_weight: grid: weight of the squared error of the coordinates.
        no_object_weight: grid: weight of the objectness of boxes without an object.
        box_weight: anchors: weight of the box loss, relative to the class loss.
        box_loss: anchors: ``smooth_l1`` of the offsets, or ``giou`` of the boxes.
        negatives: anchors with a background class: hard negatives per positive anchor.
        focal_alpha, focal_gamma: anchors with sigmoids: parameters of the focal loss.
    """

    score_threshold: Annotated[float, Field(ge=0, lt=1)] = 0.001
    nms_iou: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_detections: Annotated[int, Field(strict=True, ge=1, le=1000)] = 100
    candidates: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 1000
    coordinates_weight: Weight = 5.0
    no_object_weight: Weight = 0.5
    box_weight: Weight = 1.0
    box_loss: Literal["smooth_l1", "giou"] = "smooth_l1"
    negatives: Annotated[float, Field(ge=0, le=1000)] = 3.0
    focal_alpha: Annotated[float, Field(ge=0, le=1)] = 0.25
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0

    @property
    def suppression(self) -> Suppression:
        """The settings of non-max suppression."""
        return Suppression(
            score_threshold=self.score_threshold,
            iou_threshold=self.nms_iou,
            most=self.max_detections,
            candidates=self.candidates,
        )


class Detection(RankedByResamples):
    """The task `detection` (Géron, 3rd ed., ch. 14, "Object Detection")."""

    name = "detection"
    needs: frozenset[Kind] = frozenset({"boxes"})
    primary = "box_map"
    watched = "box_map"
    early_stop_metric = "box_map"
    predicted = "objects"
    fit: Fit = "stretch"
    options = DetectionOptions
    postprocessing = "decode + NMS"
    answer = "boxes"
    finishes = True

    def paths(
        self, outputs: Mapping[str, Shape], wanted: str | None, label: str
    ) -> str | dict[str, str]:
        """Return the path of the grid, or those of the boxes and of their classes or scores."""
        from cnnbench.tasks.detection.outputs import paths

        return paths(outputs, wanted, label)

    def objective(self, classes: Sequence[str], dataset: str, options: Any = None) -> Objective:
        """Return the objective for the data set's classes."""
        from cnnbench.tasks.detection.objective import DetectionObjective

        return DetectionObjective(classes, dataset, options or DetectionOptions())

    def decode(
        self, outputs: Arrays, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        """Return the detections of each image whose scores are high enough to show."""
        from cnnbench.tasks.detection.outputs import decode

        return [list(found) for found in decode(outputs, network, names, top)]

    def decode_all(
        self, outputs: Arrays, network: Any, names: Sequence[str], least_score: float
    ) -> list[list[Detected]]:
        """Return the detections of each image with scores above ``least_score``, as `decode`."""
        from cnnbench.tasks.detection.outputs import decode

        return decode(outputs, network, names, None, least_score)

    def finished(self, network: Any, options: Any = None) -> Any:
        """Return the network with decoding and non-max suppression inside."""
        from cnnbench.tasks.detection import finished

        return finished.finished(network, (options or DetectionOptions()).suppression)

    def finished_difference(
        self, outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
    ) -> tuple[float, float]:
        """Return the largest difference between detections; equal scores have no order."""
        from cnnbench.tasks.detection import finished

        return finished.difference(outputs, expected)

    def fixed_objective(
        self,
        classes: Sequence[str],
        dataset: str,
        model: ModelHandle,
        trained_on: TrainedOn,
        options: Any = None,
    ) -> Objective:
        """Return the objective of a trained model, its outputs matched to the classes by name.

        Raises:
            JobFailed: a class is unknown to the model, or their numbers differ.
        """
        from cnnbench.tasks.detection.objective import FixedObjective

        matched = self.matched_classes(classes, dataset, model, trained_on)
        return FixedObjective(classes, dataset, options or DetectionOptions(), *matched)

    def matched_classes(
        self, classes: Sequence[str], dataset: str, model: ModelHandle, trained_on: TrainedOn
    ) -> tuple[OutputsOf, int]:
        """Return the output of each class, and how many the model must have; 0 for any."""
        from cnnbench.tasks.classification.class_names import outputs_of

        # Of a user's network only the width of its first output is known, which may be the boxes:
        # as many classes are expected as there are names, and counted once it is built.
        is_known = not model.is_task_assumed or "classes" in model.stated
        width = model.classes if is_known else len(trained_on.names or classes)
        return outputs_of(tuple(classes), model, dataset, trained_on, width), width

    def refusal(self, model: ModelInfo, classes: int) -> str:
        """Return the reason if the model's name, or its file, is for other classes."""
        is_settled = "classes" in model.stated or ("classes" in model.fixed and model.classes)
        if not is_settled or classes in (0, model.classes):
            return ""
        return f"has a head for {model.classes} classes, but the data set has {classes}"


DETECTION = Detection()
