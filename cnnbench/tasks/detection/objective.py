"""Objective of a detector: targets, losses and evaluation by the coding of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed
from cnnbench.models import output_names
from cnnbench.models.handle import ModelHandle
from cnnbench.tasks.detection import DetectionOptions, outputs
from cnnbench.tasks.detection.codings import Coder, stated
from cnnbench.tasks.detection.outputs import BOXES, LABELS, LEAST_SCORE, SCORES
from cnnbench.tasks.detection.suppression import suppressed
from cnnbench.tasks.task import Arrays, Evaluation, Objective, Shape
from cnnbench.text import plural

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark
    from cnnbench.tasks.classification.class_names import OutputsOf

Named = dict[str, np.ndarray]

IGNORED, CROWD = "ignored", "crowd"


class DetectionObjective(Objective):
    """The losses of the network's coding, and the average precision after non-max suppression.

    The encoding is the coding as JSON. Images without objects are evaluated too: all detections in
    them are wrong.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: settings of the losses and of non-max suppression.
    """

    def __init__(self, classes: Sequence[str], dataset: str, options: DetectionOptions) -> None:
        self._classes = classes
        self._dataset = dataset
        self._options = options
        self._functions: dict[str, Callable[[Any], Any]] = {}

    def outputs_for(self, own: int) -> int:
        return len(self._classes) or own

    def head(self, seed: int) -> Any:
        raise JobFailed(
            "transfer learning needs a backbone with a detection head, for example BasicCNN+yolo; "
            "train a named detector with recipe: scratch"
        )

    def check_model(self, model: ModelHandle) -> None:
        if "classes" in model.fixed and model.classes:
            self._check_classes(model.classes)

    def check_network(self, network: Any) -> None:
        coder, shapes = self.coder(self.encoding(network)), _shapes(network)
        self.check_shapes(shapes)
        coder.losses(self._options, 0.0)  # raises where nothing can be trained
        self._check_classes(coder.classes(shapes))

    def check_shapes(self, shapes: Mapping[str, Shape]) -> None:
        """Raise `UserError` if outputs of these shapes, by path, are not those of the task."""
        outputs.paths(shapes, None, "the network")

    def coder(self, encoding: str) -> Coder:
        """Return the coder of the boxes in outputs of an `encoding`."""
        return stated.coder(encoding)

    def _check_classes(self, found: int) -> None:
        if found != len(self._classes):
            raise JobFailed(
                f"it has {plural(found, 'class', 'classes')}, but the data set has "
                f"{len(self._classes)}"
            )

    def encoding(self, network: Any) -> str:
        return stated.of_network(network)

    def targets(self, part: Part) -> Named:
        """Return the objects of each image, in at least one row: ``labels``, ``boxes``,
        ``ignored``, ``crowd`` and, for areas in px of the original picture, ``spans``.
        """
        found = part.objects
        if found is None:
            raise JobFailed(f"{self._dataset} has no boxes, which detection needs")
        known = found.arrays()
        rows = {name: known[name] for name in (LABELS, BOXES, IGNORED, CROWD) if name in known}
        if not found.labels.shape[1]:  # no image has an object
            for name, one in rows.items():
                rows[name] = np.full(
                    (len(part), 1, *one.shape[2:]), NO_OBJECT if name == LABELS else 0, one.dtype
                )
        return rows | {"spans": found.spans_or_sizes()}

    def joined(self, targets: Sequence[Arrays]) -> Named:
        """Return the concatenated objects of several parts, with as many rows as needed."""
        parts = [_named(one) for one in targets]
        most = max(part[LABELS].shape[1] for part in parts)
        found: Named = {"spans": np.concatenate([part["spans"] for part in parts])}
        for name in dict.fromkeys(name for part in parts for name in part if name not in found):
            found[name] = np.concatenate([_padded(part, name, most) for part in parts])
        return found

    def encoded(self, targets: Any, encoding: str) -> Any:
        given = targets[LABELS], targets[BOXES], targets[IGNORED]
        return self.coder(encoding).targets(*given)

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> Any:
        return self.coder(encoding).losses(self._options, label_smoothing)

    def loss_weights(self, encoding: str) -> Mapping[str, float] | None:
        return self.coder(encoding).loss_weights(self._options)

    def imitation_loss(self, encoding: str) -> Any:
        squared = "mean_squared_error"
        weights = self.loss_weights(encoding)
        return squared if weights is None else dict.fromkeys(weights, squared)

    def watched(self, encoding: str) -> None:
        """Return None: average precision is not a mean over batches."""
        return

    def answers(self, outputs: Arrays, encoding: str) -> Named:
        """Return ``boxes`` ``(n, M, 4)``, ``scores`` and ``labels`` ``(n, M)``, best first.

        Unused entries have the label `NO_OBJECT` and zeros.
        """
        named = outputs if isinstance(outputs, Mapping) else {"": outputs}
        if not all(np.isfinite(one).all() for one in named.values()):
            raise JobFailed("its outputs are not finite")
        given = {name: np.asarray(one, np.float32) for name, one in named.items()}
        found = self._function(encoding)(given.get("", given))
        answers = {name: np.asarray(one) for name, one in found.items()}
        return answers | {LABELS: answers[LABELS].astype(np.int64)}

    def watched_value(self, answers: Arrays, targets: Arrays, encoding: str) -> float:
        """Return COCO's average precision; 0 where no image has an object."""
        from cnnbench.tasks.detection import coco, matching

        truth = matching.read_truth(_named(targets))
        found = matching.read_answers(_named(answers), _named(targets))
        return max(0.0, float(coco.evaluated(found, truth, len(self._classes)).summary[0]))

    def evaluate(self, answers: Arrays, targets: Arrays, encoding: str) -> Evaluation:
        from cnnbench.tasks.detection import quality

        return quality.evaluate(_named(answers), _named(targets), self._classes)

    def example_marks(
        self, answers: Arrays, targets: Arrays, encoding: str
    ) -> list[tuple[list[AnyMark], list[AnyMark]]]:
        """Return the true objects, and the detections that `predict` shows."""
        from cnnbench.tasks import marks

        found, truth = _named(answers), _named(targets)
        shown = np.where(found[SCORES] > LEAST_SCORE, found[LABELS], NO_OBJECT)
        return [
            (
                marks.of_boxes(truth[LABELS][row], truth[BOXES][row], self._classes),
                marks.of_boxes(shown[row], found[BOXES][row], self._classes, found[SCORES][row]),
            )
            for row in range(len(truth[LABELS]))
        ]

    def agreement(self, answers: Arrays, others: Arrays, encoding: str) -> float | None:
        """Return the share of the shown objects that both networks find; see `agreement`."""
        from cnnbench.tasks.detection.agreement import agreement

        return agreement(_named(answers), _named(others))

    def notes(self, model: ModelHandle, part: Part, encoding: str) -> list[str]:
        truth, coder = self.targets(part), self.coder(encoding)
        lost = coder.lost(truth[LABELS], truth[BOXES], truth[IGNORED])
        if not lost.any():
            return []
        known = int(((truth[LABELS] != NO_OBJECT) & ~truth[IGNORED]).sum())
        return [
            f"{int(lost.sum()):,} of {known:,} test objects, in {int(lost.any(axis=1).sum()):,} of "
            f"{len(part):,} images, cannot be represented by {coder.kind}, because another object "
            "has the same cell or anchors"
        ]

    def detections(self, outputs: Any, encoding: str) -> Any:
        """Return the `answers` to outputs as tensors."""
        return suppressed(*self.decoded(outputs, encoding), self._options.suppression)

    def decoded(self, outputs: Any, encoding: str) -> tuple[Any, Any]:
        """Return boxes and scores before non-max suppression, as `Coder.decoded`."""
        return self.coder(encoding).decoded(outputs)

    def _function(self, encoding: str) -> Callable[[Any], Any]:
        """Return the graph from outputs to answers, traced once for each encoding."""
        import tensorflow as tf

        if encoding not in self._functions:
            answer = partial(self.detections, encoding=encoding)
            self._functions[encoding] = tf.function(answer, reduce_retracing=True)
        return self._functions[encoding]


class FixedObjective(DetectionObjective):
    """Objective of a trained detector whose classes include those of the data set.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: settings of non-max suppression.
        outputs_of: the output of each class.
        width: number of classes that the network must have; 0 for any.
    """

    def __init__(
        self,
        classes: Sequence[str],
        dataset: str,
        options: DetectionOptions,
        outputs_of: OutputsOf,
        width: int = 0,
    ) -> None:
        super().__init__(classes, dataset, options)
        self._indices = np.array(outputs_of.output_indices)
        self._width = width

    def encoding(self, network: Any) -> str:
        """Return the coding of the network.

        Raises:
            JobFailed: it has another number of classes than was expected.
        """
        found = super().encoding(network)
        count = self.coder(found).classes(_shapes(network))
        if self._width not in (0, count):
            raise JobFailed(
                f"it has {plural(count, 'class', 'classes')}, not {self._width}; class_names: FILE "
                "lists them, one per line, in the order of the outputs"
            )
        return found

    def answers(self, outputs: Arrays, encoding: str) -> Named:
        """Return the detections of the data set's classes, with its labels."""
        found = super().answers(outputs, encoding)
        table = np.full(max(int(self._indices.max()), int(found[LABELS].max())) + 2, NO_OBJECT)
        table[self._indices] = np.arange(len(self._indices))
        labels = table[found[LABELS]]  # the last entry is that of no object
        order = np.argsort(labels == NO_OBJECT, axis=1, kind="stable")
        kept = np.take_along_axis(labels != NO_OBJECT, order, axis=1)
        answers = {LABELS: np.take_along_axis(labels, order, axis=1)}
        for name in found.keys() - answers.keys():
            along = (..., *[None] * (found[name].ndim - 2))
            answers[name] = np.take_along_axis(found[name], order[along], axis=1) * kept[along]
        return answers


def _shapes(network: Any) -> dict[str, Shape]:
    """Return the shape of each output of a ``keras.Model`` by its path."""
    found = output_names.named(output_names.of(network))
    return {path: tuple(output.shape) for path, output in found.items()}


def _named(arrays: Arrays) -> Mapping[str, np.ndarray]:
    if not isinstance(arrays, Mapping):
        raise JobFailed("answers and targets of a detector must be arrays by name")
    return arrays


def _padded(targets: Mapping[str, np.ndarray], name: str, rows: int) -> np.ndarray:
    """Return an array of objects, ``(n, rows, ...)``; False where it is missing."""
    found = targets.get(name, np.zeros(targets[LABELS].shape, np.bool_))
    more = [(0, 0), (0, rows - found.shape[1]), *[(0, 0)] * (found.ndim - 2)]
    return np.pad(found, more, constant_values=NO_OBJECT if name == LABELS else 0)
