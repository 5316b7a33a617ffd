"""Instance segmentation: every object with its class, box and pixels, by average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from cnnbench.data.annotations import Kind
from cnnbench.models.handle import ModelHandle
from cnnbench.tasks.detection import Detection, DetectionOptions, Weight
from cnnbench.tasks.task import Arrays, Objective, Prediction, Shape, TrainedOn, quality_metrics

if TYPE_CHECKING:
    from cnnbench.tasks.detection.outputs import Detected


class InstanceOptions(DetectionOptions):
    """Settings of a training that only this task has, beside those of its detector.

    Attributes:
        mask_weight: weight of the masks' loss in the sum.
        mask_iou: IoU with a true object from which a proposal's mask is trained.
    """

    mask_weight: Weight = 1.0
    mask_iou: Annotated[float, Field(gt=0, le=1)] = 0.5


class InstanceSegmentation(Detection):
    """The task `instance_segmentation` (Mask R-CNN, arXiv:1703.06870; Géron, 3rd ed., ch. 14).

    Boxes are trained, decoded and evaluated as those of a detector.
    """

    name = "instance_segmentation"
    needs: frozenset[Kind] = frozenset({"boxes", "instances"})
    primary = "mask_map"
    watched = "mask_map"
    early_stop_metric = "mask_map"
    options = InstanceOptions
    most_shown = 100  # a picture without some of its masks would be misread
    answer = "masks"

    @property
    def judged(self) -> Sequence[str]:
        """The metrics of masks, and those of the boxes of the same evaluation."""
        tasks = (self.name, Detection.name)
        return [found.metric.name for task in tasks for found in quality_metrics(task)]

    def paths(
        self, outputs: Mapping[str, Shape], wanted: str | None, label: str
    ) -> str | dict[str, str]:
        """Return the paths of the detector's outputs, of the proposals, and of their masks."""
        from cnnbench.tasks.instance_segmentation.outputs import paths

        return paths(outputs, wanted, label)

    def objective(self, classes: Sequence[str], dataset: str, options: Any = None) -> Objective:
        """Return the objective for the data set's classes."""
        from cnnbench.tasks.instance_segmentation.objective import InstanceObjective

        return InstanceObjective(classes, dataset, options or InstanceOptions())

    def decode(
        self, outputs: Arrays, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        """Return the objects of each image whose scores are high enough to show."""
        from cnnbench.tasks.instance_segmentation.outputs import decode

        return [list(found) for found in decode(outputs, network, names, top)]

    def decode_all(
        self, outputs: Arrays, network: Any, names: Sequence[str], least_score: float
    ) -> list[list[Detected]]:
        """Return the objects of each image with scores above ``least_score``, as `decode`."""
        from cnnbench.tasks.instance_segmentation.outputs import decode

        return [list(found) for found in decode(outputs, network, names, None, least_score)]

    def finished(self, network: Any, options: Any = None) -> Any:
        """Return the network with decoding and non-max suppression inside."""
        from cnnbench.tasks.instance_segmentation import finished

        return finished.finished(network, (options or InstanceOptions()).suppression)

    def aligned(
        self, outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Return outputs with the objects in the expected order, where they are the same."""
        from cnnbench.tasks.instance_segmentation import finished

        return finished.aligned(outputs, expected)

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
        from cnnbench.tasks.instance_segmentation.objective import FixedInstanceObjective

        matched = self.matched_classes(classes, dataset, model, trained_on)
        return FixedInstanceObjective(classes, dataset, options or InstanceOptions(), *matched)


INSTANCE_SEGMENTATION = InstanceSegmentation()
