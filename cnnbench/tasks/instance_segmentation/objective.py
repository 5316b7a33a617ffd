"""Objective of instance segmentation: a detector's, and the masks of its proposals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed
from cnnbench.models.handle import ModelHandle
from cnnbench.models.heads.mask import CELLS, MASKS, PROPOSALS
from cnnbench.tasks.detection.codings import Coder, stated
from cnnbench.tasks.detection.objective import DetectionObjective, FixedObjective, Named
from cnnbench.tasks.detection.outputs import BOXES, LABELS, LEAST_SCORE, SCORES
from cnnbench.tasks.detection.suppression import ROWS, Suppression, suppressed
from cnnbench.tasks.instance_segmentation import InstanceOptions, outputs
from cnnbench.tasks.instance_segmentation.outputs import Facts
from cnnbench.tasks.task import Arrays, Evaluation, Shape

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark

INSTANCES = "instances"


class InstanceObjective(DetectionObjective):
    """The losses of the network's coding and of its masks, and the average precision of both.

    The encoding is JSON: the detector's, the size of the image and that of the masks. A mask is
    trained where its proposal overlaps a true object enough; in the first epochs there are few.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: settings of the losses and of non-max suppression.
    """

    _options: InstanceOptions

    def __init__(self, classes: Sequence[str], dataset: str, options: InstanceOptions) -> None:
        super().__init__(classes, dataset, options)

    def check_shapes(self, shapes: Mapping[str, Shape]) -> None:
        outputs.paths(shapes, None, "the network")

    def coder(self, encoding: str) -> Coder:
        return stated.coder(Facts.read(encoding).detector)

    def encoding(self, network: Any) -> str:
        return outputs.of_network(network)

    def targets(self, part: Part) -> Named:
        """Return the detector's targets, and ``instances`` ``(n, h, w)``."""
        found = super().targets(part)
        if part.objects is None or part.objects.instances is None:
            raise JobFailed(f"{self._dataset} has no masks, which instance segmentation needs")
        return found | {INSTANCES: part.objects.instances}

    def joined(self, targets: Sequence[Arrays]) -> Named:
        parts = [one for one in targets if isinstance(one, Mapping)]
        rows = [{name: one for name, one in part.items() if name != INSTANCES} for part in parts]
        pixels = np.concatenate([part[INSTANCES].astype(np.uint16) for part in parts])
        return super().joined(rows) | {INSTANCES: pixels}

    def for_training(self, network: Any) -> Any:
        """Return a network whose masks come with their boxes, which their loss needs."""
        from cnnbench.tasks.instance_segmentation.training import with_boxes

        return with_boxes(network, self.encoding(network))

    def encoded(self, targets: Any, encoding: str) -> Any:
        from cnnbench.tasks.instance_segmentation.training import packed

        found = super().encoded(targets, encoding)
        named = found if isinstance(found, Mapping) else {CELLS: found}
        return {**named, MASKS: packed(targets)}

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> Any:
        from cnnbench.tasks.instance_segmentation.training import mask_loss

        found = super().loss(encoding, label_smoothing)
        named = found if isinstance(found, Mapping) else {CELLS: found}
        return {**named, MASKS: mask_loss(Facts.read(encoding), self._options.mask_iou)}

    def loss_weights(self, encoding: str) -> Mapping[str, float]:
        return {
            **(super().loss_weights(encoding) or {CELLS: 1.0}),
            MASKS: self._options.mask_weight,
        }

    def detections(self, outputs_: Any, encoding: str) -> Any:
        """Return the detections, and the masks of their proposals, uint8 ``(n, M, side, side)``."""
        import tensorflow as tf

        found = instances(outputs_, self.coder(encoding), self._options.suppression)
        found[MASKS] = tf.cast(tf.round(found[MASKS] * 255.0), tf.uint8)
        return found

    def decoded(self, outputs_: Any, encoding: str) -> tuple[Any, Any]:
        """Return all boxes of the detector, also those that are no proposals and have no mask."""
        return self.coder(encoding).decoded(outputs.of_detector(outputs_))

    def watched_value(self, answers: Arrays, targets: Arrays, encoding: str) -> float:
        """Return the average precision of the masks; 0 where no image has an object."""
        from cnnbench.tasks.detection import coco
        from cnnbench.tasks.instance_segmentation.quality import of_masks

        assert isinstance(answers, Mapping) and isinstance(targets, Mapping)
        both = of_masks(answers, targets)
        found = coco.evaluated(both.found, both.truth, len(self._classes), both.outlines)
        return max(0.0, float(found.summary[0]))

    def evaluate(self, answers: Arrays, targets: Arrays, encoding: str) -> Evaluation:
        from cnnbench.tasks.instance_segmentation import quality

        assert isinstance(answers, Mapping) and isinstance(targets, Mapping)
        return quality.evaluate(answers, targets, self._classes)

    def imitation_loss(self, encoding: str) -> Any:
        """Return losses of the detector's outputs; proposals of two networks are not the same."""
        found = dict(super().imitation_loss(encoding))
        del found[MASKS]
        return found

    def example_marks(
        self, answers: Arrays, targets: Arrays, encoding: str
    ) -> list[tuple[list[AnyMark], list[AnyMark]]]:
        """Return the true objects with their pixels, and those that `predict` shows."""
        from cnnbench.tasks import marks
        from cnnbench.tasks.instance_segmentation.masks import pasted

        assert isinstance(answers, Mapping) and isinstance(targets, Mapping)
        labels, boxes, scores = (answers[name] for name in (LABELS, BOXES, SCORES))
        shown = np.where(scores > LEAST_SCORE, labels, NO_OBJECT)
        found = []
        for row, pixels in enumerate(targets[INSTANCES]):
            true = targets[LABELS][row]
            objects = pixels == np.arange(1, 1 + len(true))[:, None, None]
            masks = pasted(boxes[row], answers[MASKS][row], pixels.shape)
            found.append(
                (
                    marks.of_boxes(true, targets[BOXES][row], self._classes, masks=list(objects)),
                    marks.of_boxes(shown[row], boxes[row], self._classes, scores[row], list(masks)),
                )
            )
        return found

    def agreement(self, answers: Arrays, others: Arrays, encoding: str) -> float | None:
        """Return the share of the shown objects that both networks find, by their masks."""
        from cnnbench.tasks.detection.agreement import agreement
        from cnnbench.tasks.instance_segmentation.masks import overlap_of

        assert isinstance(answers, Mapping) and isinstance(others, Mapping)
        return agreement(answers, others, partial(overlap_of, size=Facts.read(encoding).image))

    def notes(self, model: ModelHandle, part: Part, encoding: str) -> list[str]:
        count = Facts.read(encoding).count
        counts = part.objects.counts if part.objects is not None else np.zeros(0, np.int64)
        over = int((counts > count).sum())
        lost = f"{over:,} of {len(part):,} test images have more objects than the {count} proposals"
        return [*super().notes(model, part, encoding), *[lost] * (over > 0)]


class FixedInstanceObjective(FixedObjective, InstanceObjective):
    """Objective of a trained network whose classes include those of the data set."""


def instances(given: Any, coder: Coder, settings: Suppression) -> dict[str, Any]:
    """Return the objects in a network's outputs, best first, as TensorFlow tensors.

    Args:
        given: the outputs by role.
        coder: of the detector's outputs.
        settings: of non-max suppression.

    Returns:
        `suppressed`'s, and ``masks``, probabilities ``(n, most, side, side)``.
    """
    import tensorflow as tf

    from cnnbench.models.families.regions import taken

    boxes, scores = coder.decoded(outputs.of_detector(given))
    if PROPOSALS in given:
        rows = tf.cast(given[PROPOSALS], tf.int32)
        boxes, scores = taken(boxes, rows), taken(scores, rows)
    found = suppressed(boxes, scores, settings, with_rows=True)
    masks = taken(given[MASKS], found.pop(ROWS))
    if masks.shape[-1] > 1:
        of_class = tf.one_hot(found[LABELS], masks.shape[-1])[:, :, None, None]
        masks = tf.reduce_sum(masks * of_class, axis=-1, keepdims=True)
    found[MASKS] = tf.sigmoid(masks[..., 0])
    return found
