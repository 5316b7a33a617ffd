"""Objective of a segmentation network: the class of every pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import IGNORED, Objects, semantic_of
from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed, nearest
from cnnbench.models.handle import ModelHandle
from cnnbench.tasks.classification import outputs as of_classes
from cnnbench.tasks.classification.outputs import Kind
from cnnbench.tasks.objective import single
from cnnbench.tasks.segmentation import BACKGROUND, SegmentationOptions, fits, losses, outputs
from cnnbench.tasks.segmentation.confusion import Maps
from cnnbench.tasks.task import Arrays, Evaluation, Objective
from cnnbench.text import plural, shape_text

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark

SEMANTIC = "semantic"
MOST_CLASSES = 254  # in a byte, with `IGNORED` and `fixed.OTHER`


class SegmentationObjective(Objective):
    """Cross-entropy and Dice loss of the pixels, and the mean IoU of the classes.

    The encoding is the kind of the network's output. Answers are the class of each pixel, uint8
    ``(n, h, w)``, 0 for the background.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: of the loss, and the classes that are left out.
    """

    def __init__(self, classes: Sequence[str], dataset: str, options: SegmentationOptions) -> None:
        self._classes = classes
        self._dataset = dataset
        self._options = options

    @property
    def _names(self) -> tuple[str, ...]:
        return (BACKGROUND, *self._classes)

    def outputs_for(self, own: int) -> int:
        """Return the number of classes and one for the background; one channel keeps it."""
        if not self._classes:
            return own
        return of_classes.width(own, len(self._names))

    def head(self, seed: int) -> Any:
        raise JobFailed(
            "transfer learning needs a backbone with a segmentation head, for example "
            "MobileNetV2+lraspp; train a named network with recipe: scratch"
        )

    def check_model(self, model: ModelHandle) -> None:
        if "classes" in model.fixed and model.classes:
            self._check_channels(model.classes)

    def check_network(self, network: Any) -> None:
        shape = tuple(network.outputs[0].shape)
        outputs.path({"": shape}, None, "the network")
        size = tuple(network.input_shape[1:3])
        if shape[1:3] != size:
            raise JobFailed(
                f"its maps have {shape_text(shape[1:3])} px, but its images {shape_text(size)}: "
                "segmentation needs a score for every pixel; resize the maps in its last layer"
            )
        self._check_channels(shape[3])
        of_classes.check(of_classes.kind_of_network(network), shape[3])

    def _check_channels(self, channels: int) -> None:
        if not fits(channels, len(self._classes)):
            raise JobFailed(
                f"it has {plural(channels, 'channel')}, but {self._dataset} needs "
                f"{len(self._names)}: the background and "
                f"{plural(len(self._classes), 'class', 'classes')}"
            )

    def encoding(self, network: Any) -> str:
        return of_classes.kind_of_network(network)

    def targets(self, part: Part) -> dict[str, Maps]:
        """Return ``semantic``, the class of each pixel, uint8 ``(n, h, w)``.

        Ignored classes are `IGNORED`.
        """
        maps = None if part.objects is None else _classes_of_pixels(part.objects)
        if maps is None:
            raise JobFailed(f"{self._dataset} has no masks, which segmentation needs")
        if left_out := self._left_out():
            table = np.arange(IGNORED + 1, dtype=np.uint8)
            table[left_out] = IGNORED
            maps = table[maps]
        return {SEMANTIC: np.asarray(maps, np.uint8)}

    def encoded(self, targets: Any, encoding: str) -> Any:
        import tensorflow as tf

        return tf.cast(targets[SEMANTIC], tf.int32)

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> Callable[[Any, Any], Any]:
        weights, count = self._options.class_weights, len(self._names)
        if not isinstance(weights, str) and len(weights) != count:
            raise JobFailed(
                f"class_weights has {len(weights)} numbers, but {self._dataset} has {count} "
                "classes with the background"
            )
        kind, dice_weight = cast(Kind, encoding), self._options.dice_weight
        return losses.loss(kind, count, weights, dice_weight, label_smoothing)

    def watched(self, encoding: str) -> Any:
        return losses.mean_iou(cast(Kind, encoding), self._counted().tolist())

    def answers(self, outputs: Arrays, encoding: str) -> Maps:
        """Return the class of each pixel; of equal scores the first."""
        given = single(outputs)
        if not np.isfinite(given).all():
            raise JobFailed("its outputs are not finite")
        if encoding in ("logit", "sigmoid"):
            return (given[..., 0] > (0.0 if encoding == "logit" else 0.5)).astype(np.uint8)
        if given.shape[-1] > MOST_CLASSES:
            raise JobFailed(
                f"it has {given.shape[-1]:,} classes, but a map of classes holds {MOST_CLASSES}"
            )
        return given.argmax(axis=-1).astype(np.uint8)

    def evaluate(self, answers: Arrays, targets: Arrays, encoding: str) -> Evaluation:
        from cnnbench.tasks.segmentation import quality

        truth = self._maps(targets)
        return quality.evaluate(single(answers), truth, self._names, self._counted())

    def example_marks(
        self, answers: Arrays, targets: Arrays, encoding: str
    ) -> list[tuple[list[AnyMark], list[AnyMark]]]:
        """Return the masks of the true and of the predicted classes, without the background."""
        from cnnbench.tasks import marks

        truth, found = self._maps(targets), single(answers)
        return [
            (marks.of_pixels(right, self._classes), marks.of_pixels(given, self._classes))
            for right, given in zip(truth, found, strict=True)
        ]

    def agreement(self, answers: Arrays, others: Arrays, encoding: str) -> float:
        """Return the share of pixels that two networks say the same class of."""
        return float((single(answers) == single(others)).mean())

    def notes(self, model: ModelHandle, part: Part, encoding: str) -> list[str]:
        size = tuple(part.images.shape[1:3])
        sizes = None if part.objects is None else part.objects.sizes
        others = 0 if sizes is None else int((sizes != size).any(axis=1).sum())
        if not others:
            return []
        return [
            f"pixels judged at the network's input, {shape_text(size)} px; {others:,} of "
            f"{len(part):,} test images have another size"
        ]

    @staticmethod
    def _maps(targets: Arrays) -> Maps:
        if not isinstance(targets, Mapping):
            raise JobFailed("the targets of a segmentation network are maps of classes")
        return targets[SEMANTIC]

    def _counted(self) -> npt.NDArray[np.bool_]:
        found = np.ones(len(self._names), np.bool_)
        found[self._left_out()] = False
        return found

    def _left_out(self) -> list[int]:
        """Return the numbers of the ignored classes.

        Raises:
            JobFailed: there is no such class, or no other one.
        """
        names = self._names
        found = []
        for one in self._options.ignored_classes:
            if isinstance(one, int) and one < len(names):
                found.append(one)
            elif isinstance(one, str) and one in names:
                found.append(names.index(one))
            else:
                hint = nearest(str(one), names) or f"the classes are {', '.join(names)}"
                raise JobFailed(f"ignored_classes: {self._dataset} has no class '{one}' ({hint})")
        if len(set(found)) == len(names):
            raise JobFailed("ignored_classes: these are all classes")
        return sorted(set(found))


def _classes_of_pixels(objects: Objects) -> Maps | None:
    """Return the class of each pixel, from the pixels of objects if need be; None if unknown."""
    if objects.semantic is not None or objects.instances is None:
        return objects.semantic
    labels = np.where(objects.ignored, IGNORED - 1, objects.labels)
    return np.asarray(semantic_of(labels, objects.instances), np.uint8)
