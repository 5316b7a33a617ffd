"""Objectives: the training target and evaluation of a network's outputs, on one data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cnnbench.errors import JobFailed

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark
    from cnnbench.data.pictures import Part
    from cnnbench.models.handle import ModelHandle

Arrays = np.ndarray | Mapping[str, np.ndarray]
"""Outputs or targets of n images: ``(n, ...)``, or several such arrays by name."""


def single(arrays: Arrays) -> np.ndarray:
    """Return outputs or targets of a task that has one array of them.

    Raises:
        JobFailed: there are several.
    """
    if isinstance(arrays, Mapping):
        raise JobFailed(f"one output was expected, but there are {', '.join(arrays)}")
    return arrays


def concatenated(parts: Sequence[Arrays]) -> Arrays:
    """Return outputs or targets of several batches as those of one."""
    first = parts[0]
    if isinstance(first, Mapping):
        of_role = {role: [part[role] for part in parts] for role in first}  # type: ignore[index]
        return {role: np.concatenate(arrays) for role, arrays in of_role.items()}
    return np.concatenate(parts)  # type: ignore[arg-type]


def selected(arrays: Arrays, rows: Sequence[int]) -> Arrays:
    """Return outputs or targets of some of the images."""
    chosen = np.asarray(rows, np.int64)
    if isinstance(arrays, Mapping):
        return {role: of_role[chosen] for role, of_role in arrays.items()}
    return np.asarray(arrays[chosen])


@dataclass(frozen=True)
class Evaluation:
    """Quality of one network on one set of images.

    Attributes:
        metrics: metric name -> value.
        details: JSON values for later intervals and paired tests, small enough for a record.
        notes: remarks for the reader of the result, one line each.
    """

    metrics: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


class Objective(Protocol):
    """Training target and evaluation of networks on one data set.

    A subclass inherits the methods that have a body here. ``encoding`` is a name of the objective
    for the form of a network's outputs, for example ``logits``; only the objective interprets it.

    The outputs of a network are one array or, if `Task.paths` selects several, arrays by role. The
    losses, their weights and the metrics of such a network are dictionaries with the same keys.
    """

    def outputs_for(self, own: int) -> int:
        """Return the number of outputs to build for a model that has ``own`` by default."""

    def head(self, seed: int) -> Any:
        """Return a Keras layer from pooled features ``(n, d)`` to outputs.

        Raises:
            JobFailed: the task needs a head in the model's name.
        """

    def targets(self, part: Part) -> Arrays:
        """Return the ground truth of each image, ``(n, ...)``.

        Arrays that augmentation has to change with the image have the names, and the axes, of the
        attributes of `annotations.Objects`.
        """

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> Any:
        """Return a Keras loss of encoded targets and outputs, or a dictionary of losses."""

    def loss_weights(self, encoding: str) -> Mapping[str, float] | None:
        """Return the weight of each of several losses in their sum; None if there is only one."""
        return None

    def imitation_loss(self, encoding: str) -> Any:
        """Return a Keras loss of another network's outputs and outputs, or several losses."""
        return "mean_squared_error"

    def image_weights(self, targets: Arrays) -> np.ndarray | None:
        """Return the weight of each training image in the loss, ``(n,)``; None for equal ones."""
        return None

    def drawn(self, targets: Arrays) -> np.ndarray | None:
        """Return the training images of an epoch by index, ``(m,)``; None for each of them once."""
        return None

    def watched(self, encoding: str) -> Any:
        """Return the Keras metric `Task.watched`, computed in every epoch.

        For several outputs, a dictionary of one output and its metric, which has that name. None if
        the metric is not a mean over batches: `watched_value` is then computed in trainings that
        need it.
        """

    def watched_value(self, answers: Arrays, targets: Arrays, encoding: str) -> float:
        """Return `Task.watched` of the validation images, if `watched` is None."""
        raise JobFailed("no metric of this task is known before its evaluation")

    def joined(self, targets: Sequence[Arrays]) -> Arrays:
        """Return the ground truth of several parts as that of one."""
        return concatenated(targets)

    def answers(self, outputs: Arrays, encoding: str) -> Arrays:
        """Return the part of one batch's outputs that is kept; by default all of them.

        The answers of all test images are in memory at once; a detector's outputs would not fit.

        Raises:
            JobFailed: the outputs are not finite, and the answers would not show it.
        """
        return outputs

    def evaluate(self, answers: Arrays, targets: Arrays, encoding: str) -> Evaluation:
        """Evaluate `answers` against the ground truth of the same images.

        Raises:
            JobFailed: the outputs are not finite numbers.
        """

    def example_marks(
        self, answers: Arrays, targets: Arrays, encoding: str
    ) -> Sequence[tuple[Sequence[AnyMark], Sequence[AnyMark]]]:
        """Return the marks of the truth and of the answers of each image, for example pictures.

        `cnnbench.tasks.marks` makes them from classes, boxes and masks. Masks have the size of the
        images that the network gets. Empty if the task has nothing to draw.
        """
        return ()

    def postprocessed(self, outputs: Arrays, encoding: str) -> Any:
        """Return the final results for a batch of outputs, for timing the postprocessing."""
        return self.answers(outputs, encoding)

    def check_model(self, model: ModelHandle) -> None:
        """Raise `JobFailed` if the model's fixed outputs do not fit the task."""
        return

    def check_network(self, network: Any) -> None:
        """Raise `JobFailed` if the outputs of a ``keras.Model`` do not fit the task."""
        return

    def encoding(self, network: Any) -> str:
        """Return the encoding of the outputs of a ``keras.Model``; empty if there is only one."""
        return ""

    def for_training(self, network: Any) -> Any:
        """Return the ``keras.Model`` that is fitted: with the network's weights and `encoding`.

        By default the network itself; another one where a loss needs more than one output.
        """
        return network

    def encoded(self, targets: Any, encoding: str) -> Any:
        """Return targets in the form that the loss takes; by default unchanged.

        Args:
            targets: one batch of what `targets` returns, as tensors, after augmentation.
            encoding: encoding of the network's outputs.

        Returns:
            Tensors ``(n, ...)``: one, or one for each loss.
        """
        return targets

    def agreement(self, answers: Arrays, others: Arrays, encoding: str) -> float | None:
        """Return the share of images for which two networks give the same `answers`.

        Or of the parts of them that the task is about: pixels, objects. Return None if the answers
        cannot be compared.
        """
        return None

    def notes(self, model: ModelHandle, part: Part, encoding: str) -> list[str]:
        """Return remarks on the trained model and on the test images, for the report."""
        return []
