"""Tasks: meaning, training and evaluation of a network's outputs.

A task is one folder or file with a `Task` in it and one line in `TASKS`; another package adds one
by an entry point of the group ``cnnbench.tasks``. The module must be light to import: `Task` plans
and summarises. Its `Objective` trains and evaluates networks in workers; making one, and its
`Objective.outputs_for`, must be light too.

A task's metrics are `cnnbench.metrics.QualityMetric`, one line each in `cnnbench.metrics.QUALITY`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cnnbench.metrics import QUALITY, QualityMetric
from cnnbench.plugins import Registry
from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np

    from cnnbench.data.annotations import Kind
    from cnnbench.data.pictures import Part
    from cnnbench.models.handle import ModelHandle, ModelInfo

DEFAULT = "classification"


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

    A subclass inherits the methods that have a body here. ``encoding`` is the objective's own name
    for the form of a network's outputs, for example ``logits``; only the objective interprets it.
    """

    def outputs_for(self, own: int) -> int:
        """Return the number of outputs to build for a model that has ``own`` by default."""

    def head(self, seed: int) -> Any:
        """Return a Keras layer from pooled features ``(n, d)`` to outputs."""

    def targets(self, part: Part) -> np.ndarray:
        """Return the ground truth of each image, ``(n, ...)``."""

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> Any:
        """Return a Keras loss of encoded targets and outputs."""

    def imitation_loss(self, encoding: str) -> Any:
        """Return a Keras loss of another network's outputs, as encoded here, and outputs."""
        return "mean_squared_error"

    def watched(self, encoding: str) -> Any:
        """Return the Keras metric `Task.watched`, computed in every epoch."""

    def evaluate(self, outputs: np.ndarray, targets: np.ndarray, encoding: str) -> Evaluation:
        """Evaluate outputs against the ground truth of the same images.

        Raises:
            JobFailed: the outputs are not finite numbers.
        """

    def check_model(self, model: ModelHandle) -> None:
        """Raise `JobFailed` if the model is fixed to outputs that cannot do the task."""
        return

    def check_network(self, network: Any) -> None:
        """Raise `JobFailed` if the outputs of a ``keras.Model`` cannot do the task."""
        return

    def encoding(self, network: Any) -> str:
        """Return the encoding of the outputs of a ``keras.Model``; empty if there is only one."""
        return ""

    def encoded(self, targets: np.ndarray) -> np.ndarray:
        """Return targets as the loss takes them, ``(n, ...)``; by default as they are."""
        return targets

    def agreement(self, outputs: np.ndarray, others: np.ndarray, encoding: str) -> float | None:
        """Return the share of images for which two networks give the same answer.

        None if answers of this task cannot be compared for equality.
        """
        return None

    def notes(self, model: ModelHandle) -> list[str]:
        """Return remarks for the reader on the model that was trained."""
        return []


class Evaluated(Protocol):
    """One evaluation, as stored in a record."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metric name -> value."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Its `Evaluation.details`, among others."""


@dataclass(frozen=True)
class Contender:
    """One model under one training schedule.

    Attributes:
        evaluations: one per seed.
        is_trained: results depend on the seed; False for a model evaluated with given weights.
    """

    evaluations: Sequence[Evaluated]
    is_trained: bool = True


@dataclass(frozen=True)
class Judgement:
    """Interval and verdict of one metric.

    Attributes:
        verdict: whether the number can be trusted.
        value: summary over all seeds; None for the median.
        low, high: the 95 % interval; None to use the default interval.
    """

    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Place:
    """Rank of a contender.

    Attributes:
        tier: from 1, the best; contenders of a tier do not differ significantly.
        open: what would separate them; empty if the tier has a single contender.
    """

    tier: int
    open: str = ""


class Prediction(Protocol):
    """One thing that a network predicts for one image: a class, a box with a class."""

    def __str__(self) -> str:
        """Return a line for people: ``75.0 %  dress``."""

    def cells(self) -> Mapping[str, str]:
        """Return heading -> cell of a table for people."""

    def to_json(self) -> Mapping[str, Any]:
        """Return field -> JSON value."""


@dataclass(frozen=True)
class TrainedOn:
    """Facts about the classes that a model was trained on elsewhere.

    Attributes:
        is_imagenet: its weights are those published for ImageNet.
        names: of its classes, in the order of its outputs; None if the user did not give them.
        names_file: the file with the names, for messages.
    """

    is_imagenet: bool
    names: Sequence[str] | None = None
    names_file: str = ""


class Task(Protocol):
    """A task. A subclass inherits the methods that have a body here."""

    @property
    def name(self) -> str:
        """The name in suites: ``classification``."""

    @property
    def needs(self) -> frozenset[Kind]:
        """What must be known of the images of a data set that networks are trained on."""
        return frozenset({"class"})

    @property
    def primary(self) -> str:
        """The metric that models are ranked by."""

    @property
    def watched(self) -> str:
        """The metric that is computed in every epoch of a training."""

    @property
    def predicted(self) -> str:
        """A plural noun for its predictions, their key in JSON: ``classes``."""

    def decode(
        self, outputs: np.ndarray, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        """Return the predictions for each image, best first.

        Args:
            outputs: of the network, float64 ``(n, ...)``, finite.
            network: the ``keras.Model`` that returned them.
            names: of the classes, by number; without them classes are numbered.
            top: the number of predictions for an image, or all if fewer.

        Raises:
            JobFailed: the outputs cannot do the task, or are not of as many classes as names.
        """

    def published_names(self, model: ModelHandle, outputs: np.ndarray) -> Sequence[str]:
        """Return the class names of a network's published weights; none if it has no such.

        Raises:
            Unavailable: the names are not on this machine and cannot be downloaded.
        """
        return ()

    def objective(self, classes: Sequence[str], dataset: str) -> Objective:
        """Return the objective of training on a data set.

        Args:
            classes: names of the data set's classes, by label.
            dataset: its name, for messages.
        """

    def fixed_objective(
        self, classes: Sequence[str], dataset: str, model: ModelHandle, trained_on: TrainedOn
    ) -> Objective:
        """Return the objective of evaluating a model as it was trained elsewhere.

        Raises:
            JobFailed: the data set's classes are not the model's.
        """
        return self.objective(classes, dataset)

    def plan_remark(self, model: ModelInfo, classes: int) -> str:
        """Return a remark on training a model on a data set of so many classes; empty for none.

        Args:
            model: the remark is a predicate of it: ``is trained for …``.
            classes: 0 if known only after reading the data set.
        """
        return ""

    def gain(self, base: Evaluated, new: Evaluated) -> tuple[Estimate, int] | None:
        """Return by how much `primary` rises from ``base`` to ``new``, and on how many images.

        None if they are not known image by image, or not for the same images.
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


TASKS: Registry[Task] = Registry(
    "cnnbench.tasks",
    "task",
    {
        "classification": "cnnbench.tasks.classification:CLASSIFICATION",
    },
)


def ranking_metrics() -> list[str]:
    """Return the metrics that models are ranked by, those of cnnbench's own tasks first."""
    return list(dict.fromkeys(task.primary for task in TASKS.values()))


def quality_metrics(task: str) -> Iterator[QualityMetric]:
    """Yield the metrics of a task, cnnbench's own first."""
    return (found for found in QUALITY.values() if found.task == task)


def evaluate_all(task: str, predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return every metric of a task that applies to these predictions, by name."""
    found = {one.metric.name: one.compute(predictions, targets) for one in quality_metrics(task)}
    return {name: float(value) for name, value in found.items() if value is not None}
