"""Tasks: meaning, training and evaluation of a network's outputs.

A task is one folder or file with a `Task` in it and one line in `TASKS`; another package adds one
by an entry point of the group ``cnnbench.tasks``. The module must be light to import: `Task` plans
and summarises. Its `objective.Objective` trains and evaluates networks in workers; making one, and
its `Objective.outputs_for`, must be light too.

Metrics of a task are `cnnbench.metrics.QualityMetric`, one line each in `cnnbench.metrics.QUALITY`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cnnbench.metrics import QUALITY, QualityMetric
from cnnbench.models import output_names
from cnnbench.plugins import Registry
from cnnbench.schema import StrictModel
from cnnbench.statistics.estimates import Estimate
from cnnbench.tasks.finishing import Finishing
from cnnbench.tasks.judgement import Contender, Evaluated, Judgement, Place
from cnnbench.tasks.objective import Arrays, Evaluation, Objective
from cnnbench.tasks.prediction import Prediction

if TYPE_CHECKING:
    from cnnbench.data.annotations import Kind
    from cnnbench.data.pictures import Fit
    from cnnbench.models.handle import ModelHandle, ModelInfo

__all__ = [
    "DEFAULT",
    "TASKS",
    "Arrays",
    "Contender",
    "Evaluated",
    "Evaluation",
    "Judgement",
    "NoOptions",
    "Objective",
    "Place",
    "Prediction",
    "Task",
    "TrainedOn",
    "evaluate_all",
    "quality_metrics",
    "ranking_metrics",
    "too_few_classes",
]
DEFAULT = "classification"

Shape = tuple[int | None, ...]
"""Shape of a batch, as Keras states it: ``(None, 10)``."""


@dataclass(frozen=True)
class TrainedOn:
    """Facts about the classes that a model was trained on elsewhere.

    Attributes:
        is_imagenet: its weights are those published for ImageNet.
        names: of its classes, in the order of its outputs; None if the user did not give them.
        names_file: the file with the names, for messages.
        stated: the names that its own file states; () if there are none.
    """

    is_imagenet: bool
    names: Sequence[str] | None = None
    names_file: str = ""
    stated: Sequence[str] = ()


class NoOptions(StrictModel):
    """Options of a task that has none."""


class Task(Finishing, Protocol):
    """A task. A subclass inherits the methods that have a body here."""

    @property
    def name(self) -> str:
        """The name in suites: ``classification``."""

    @property
    def needs(self) -> frozenset[Kind]:
        """The annotations that a data set must have for networks to be trained on it."""
        return frozenset({"class"})

    @property
    def fit(self) -> Fit:
        """The default way of fitting pictures to a network's input."""
        return "crop"

    @property
    def options(self) -> type[StrictModel]:
        """The settings of a training that only this task has, each with a default."""
        return NoOptions

    @property
    def primary(self) -> str:
        """The metric that models are ranked by."""

    @property
    def watched(self) -> str:
        """The metric that is computed in every epoch of a training."""

    @property
    def early_stop_metric(self) -> str:
        """The validation metric that determines the best epoch: ``loss``, or `watched`."""
        return "loss"

    @property
    def predicted(self) -> str:
        """A plural noun for its predictions, their key in JSON: ``classes``."""

    @property
    def most_shown(self) -> int:
        """The number of predictions of an image that are shown by default."""
        return 3

    def paths(
        self, outputs: Mapping[str, Shape], wanted: str | None, label: str
    ) -> str | dict[str, str]:
        """Return the paths of the outputs that the task uses; by default the wanted or first one.

        Args:
            outputs: shape of each by its path (`models.output_names`), in the network's order.
            wanted: the path that the model's name selects; None if it selects none.
            label: the model's name in messages.

        Returns:
            One path, or role -> path for several outputs; `Objective` names them by role.

        Raises:
            UserError: there is no such output, or none that fits the task.
        """
        return output_names.select(list(outputs), wanted, label)

    def decode(
        self, outputs: Arrays, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        """Return the predictions for each image, best first.

        Args:
            outputs: of the network, float64 ``(n, ...)``, finite; by role if it has several.
            network: the ``keras.Model`` that returned them.
            names: of the classes, by number; without them classes are numbered.
            top: the number of predictions for an image, or all if fewer.

        Raises:
            JobFailed: the outputs do not fit the task, or the number of names is wrong.
        """

    def published_names(self, model: ModelHandle, outputs: Arrays) -> Sequence[str]:
        """Return the class names of a network's published weights; empty if it has none.

        Raises:
            Unavailable: the names are not on this machine and cannot be downloaded.
        """
        return ()

    def objective(self, classes: Sequence[str], dataset: str, options: Any = None) -> Objective:
        """Return the objective of training on a data set.

        Args:
            classes: names of the data set's classes, by label.
            dataset: its name, for messages.
            options: an instance of `options`; None for the defaults.
        """

    def fixed_objective(
        self,
        classes: Sequence[str],
        dataset: str,
        model: ModelHandle,
        trained_on: TrainedOn,
        options: Any = None,
    ) -> Objective:
        """Return the `objective` of evaluating a model that was trained elsewhere.

        Raises:
            JobFailed: the data set's classes are not the model's.
        """
        return self.objective(classes, dataset, options)

    def network_classes(self, classes: Sequence[str]) -> Sequence[str]:
        """Return the names of a network's classes for those of a data set; by default the same."""
        return classes

    def plan_remark(self, model: ModelInfo, classes: int) -> str:
        """Return a remark on training a model on a data set; empty for none.

        Args:
            model: subject of the remark, which is a predicate: ``is trained for …``.
            classes: number of classes of the data set; 0 if known only after reading it.
        """
        return ""

    def refusal(self, model: ModelInfo, classes: int) -> str:
        """Return the reason why a model cannot be trained on a data set; empty if it can.

        The arguments are those of `plan_remark`; the reason is a predicate: ``has a head for …``.
        """
        return ""

    def gain(self, base: Evaluated, new: Evaluated) -> tuple[Estimate, int] | None:
        """Return the gain in `primary` from ``base`` to ``new``, and the number of test images.

        Return None if they are not known image by image, or are of different images.
        """
        return None

    def judge(self, contender: Contender) -> Mapping[str, Judgement]:
        """Return intervals and verdicts of metrics over several seeds, by metric name.

        Other metrics are summarised by their median with an interval over seeds.
        """
        return {}

    def rank(self, contenders: Sequence[Contender]) -> Sequence[Place | None]:
        """Return the place of each contender by `primary`; None for one that is not ranked."""
        return [None] * len(contenders)

    def behind(
        self, metric: str, best: int, contenders: Sequence[Contender]
    ) -> Sequence[float] | None:
        """Return p, Holm-corrected, that each contender is only by chance worse than the best.

        Args:
            metric: name of the metric.
            best: index of the best contender; its p is 1.
            contenders: under one training schedule.

        Returns:
            One per contender; None where the task cannot compare them by this metric.
        """
        return None


def too_few_classes(model: ModelInfo, classes: int) -> str:
    """Return a `Task.refusal` of a model whose name states fewer classes than the data set."""
    if "classes" not in model.stated or model.classes >= classes:
        return ""
    return f"has a head for {model.classes} classes, but the data set has {classes}"


TASKS: Registry[Task] = Registry(
    "cnnbench.tasks",
    "task",
    {
        "classification": "cnnbench.tasks.classification:CLASSIFICATION",
        "localization": "cnnbench.tasks.localization:LOCALIZATION",
        "detection": "cnnbench.tasks.detection:DETECTION",
        "segmentation": "cnnbench.tasks.segmentation:SEGMENTATION",
        "instance_segmentation": "cnnbench.tasks.instance_segmentation:INSTANCE_SEGMENTATION",
    },
)


def ranking_metrics() -> list[str]:
    """Return the metrics that models are ranked by, those of cnnbench's own tasks first."""
    return list(dict.fromkeys(task.primary for task in TASKS.values()))


def quality_metrics(task: str) -> Iterator[QualityMetric]:
    """Yield the metrics of a task, cnnbench's own first."""
    return (found for found in QUALITY.values() if found.task == task)


def evaluate_all(task: str, predictions: Arrays, targets: Arrays) -> dict[str, float]:
    """Return every metric of a task that applies to these predictions, by name."""
    found = ((one.metric.name, one.compute(predictions, targets)) for one in quality_metrics(task))
    return {name: float(value) for name, value in found if value is not None}
