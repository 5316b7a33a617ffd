"""Objective of a classifier: one-hot targets, cross-entropy, probabilities, answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cnnbench.data.pictures import Labels, Part
from cnnbench.errors import JobFailed
from cnnbench.models.handle import ModelHandle
from cnnbench.tasks.classification import outputs, quality
from cnnbench.tasks.classification.class_names import OutputsOf
from cnnbench.tasks.classification.outputs import Kind
from cnnbench.tasks.classification.quality import Floats
from cnnbench.tasks.objective import single
from cnnbench.tasks.task import Arrays, Evaluation, Objective, evaluate_all

if TYPE_CHECKING:
    from cnnbench.tasks.classification import ClassificationOptions

MOST_NAMES = 50  # class names in a record


class ClassificationObjective(Objective):
    """The label of an image is its class.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: of the training; None for the defaults.
    """

    def __init__(
        self,
        classes: Sequence[str],
        dataset: str,
        options: ClassificationOptions | None = None,
    ) -> None:
        self._classes = classes
        self._dataset = dataset
        self._options = options

    def outputs_for(self, own: int) -> int:
        return outputs.width(own, len(self._classes))

    def check_model(self, model: ModelHandle) -> None:
        count = len(self._classes)
        own = outputs.class_count(model.classes or count)
        if "classes" in model.fixed and own != count:
            raise JobFailed(
                f"it has {own} classes, but {self._dataset} has {count}: give its builder a "
                f"parameter 'classes', or train it on images of {own} classes"
            )

    def check_network(self, network: Any) -> None:
        if len(network.outputs[0].shape) == 4:
            raise JobFailed(
                "it gives a class for every window of an image, and images have one: train the "
                "classifier, and give its weights to the network that slides"
            )
        width, count = network.outputs[0].shape[-1], len(self._classes)
        outputs.check(outputs.kind_of_network(network), width)
        if outputs.class_count(width) != count:
            raise JobFailed(
                f"it has {outputs.class_count(width)} classes, but the data set has {count}"
            )

    def head(self, seed: int) -> Any:
        import tensorflow as tf

        return tf.keras.layers.Dense(
            len(self._classes),
            activation="softmax",
            kernel_initializer=tf.keras.initializers.GlorotUniform(seed=seed),
        )

    def encoding(self, network: Any) -> str:
        return outputs.kind_of_network(network)

    def targets(self, part: Part) -> Labels:
        return part.labels

    def encoded(self, targets: Any, encoding: str) -> Any:
        import tensorflow as tf

        return tf.one_hot(targets, len(self._classes), dtype=tf.float32)

    def image_weights(self, targets: Arrays) -> np.ndarray | None:
        if self._options is None or self._options.class_weights == "none":
            return None
        from sklearn.utils.class_weight import compute_sample_weight

        weights = compute_sample_weight(self._options.class_weights, single(targets))
        return np.asarray(weights, np.float32)

    def drawn(self, targets: Arrays) -> np.ndarray | None:
        if self._options is None or not self._options.oversample:
            return None
        labels = single(targets)
        members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        return np.concatenate([np.resize(one, max(map(len, members))) for one in members])

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> Any:
        return cross_entropy(cast(Kind, encoding), label_smoothing)

    def imitation_loss(self, encoding: str) -> Any:
        is_probability = encoding in ("softmax", "sigmoids")
        return self.loss(encoding) if is_probability else super().imitation_loss(encoding)

    def watched(self, encoding: str) -> Any:
        return top1(cast(Kind, encoding))

    def evaluate(self, answers: Arrays, targets: Arrays, encoding: str) -> Evaluation:
        probs, labels = probabilities(single(answers), cast(Kind, encoding)), single(targets)
        return Evaluation(
            evaluate_all("classification", probs, labels),
            quality.details(probs, labels) | {"classes": list(self._classes)[:MOST_NAMES]},
        )

    def agreement(self, answers: Arrays, others: Arrays, encoding: str) -> float:
        kind = cast(Kind, encoding)
        ours, theirs = (probabilities(single(one), kind) for one in (answers, others))
        return float((ours.argmax(1) == theirs.argmax(1)).mean())

    def postprocessed(self, outputs: Arrays, encoding: str) -> np.ndarray:
        """Return the classes of each image, the most probable first, ``(n, classes)``."""
        probs = probabilities(single(outputs), cast(Kind, encoding))
        return np.argsort(-probs, axis=1, kind="stable")

    def notes(self, model: ModelHandle, part: Part, encoding: str) -> list[str]:
        if "classes" not in model.stated or model.classes == len(self._classes):
            return []
        return [f"trained for the data set's {len(self._classes)} classes"]


class FixedObjective(ClassificationObjective):
    """Objective of a pretrained classifier; a folder's classes are some of its outputs.

    Args:
        classes: names of the folder's classes, by label.
        dataset: its name, for messages.
        outputs_of: the output of each class.
    """

    def __init__(self, classes: Sequence[str], dataset: str, outputs_of: OutputsOf) -> None:
        super().__init__(classes, dataset)
        self._outputs_of = outputs_of

    def targets(self, part: Part) -> Labels:
        return np.array(self._outputs_of.output_indices)[part.labels]

    def evaluate(self, answers: Arrays, targets: Arrays, encoding: str) -> Evaluation:
        found = super().evaluate(answers, targets, encoding)
        probs = probabilities(single(answers), cast(Kind, encoding))
        notes = self._outputs_of.notes(probs, single(targets))
        return Evaluation(found.metrics, found.details, notes)


def probabilities(given: np.ndarray, kind: Kind) -> Floats:
    """Return ``(n, classes)`` with rows that sum to one, from the outputs of a network.

    Independent sigmoids are normalised. A softmax in int8 has steps of 1/256 and can be 0 for all
    of many classes; these then get equal probabilities.

    Raises:
        JobFailed: some outputs are not finite.
    """
    given = np.asarray(given, np.float64)
    if not np.isfinite(given).all():
        raise JobFailed("its outputs are not finite")
    probs = outputs.probabilities(given, kind)
    sums = probs.sum(axis=1, keepdims=True)
    shares = np.full_like(probs, 1 / probs.shape[1])
    return np.divide(probs, sums, out=shares, where=sums != 0)


def cross_entropy(kind: Kind, label_smoothing: float = 0.0) -> Any:
    """Return the loss for one-hot labels ``(n, classes)``.

    It is binary cross-entropy for sigmoids and single outputs.
    """
    import tensorflow as tf

    options = {"from_logits": kind in ("logits", "logit"), "label_smoothing": label_smoothing}
    if kind in ("softmax", "logits"):
        return tf.keras.losses.CategoricalCrossentropy(**options)
    binary = tf.keras.losses.BinaryCrossentropy(**options)
    if kind == "sigmoids":
        return binary

    class OfSecond(tf.keras.losses.Loss):  # type: ignore[misc]
        def call(self, labels: Any, given: Any) -> Any:
            return binary.call(_second(labels), given)  # of each image, for its weight

    return OfSecond()


def top1(kind: Kind) -> Any:
    """Return a Keras metric ``top1``: the share of images whose most probable class is right."""
    import tensorflow as tf

    if kind not in ("sigmoid", "logit"):
        return tf.keras.metrics.CategoricalAccuracy(name="top1")
    border = 0.5 if kind == "sigmoid" else 0.0

    def is_right(labels: Any, given: Any) -> Any:
        # Of two equal classes the first, like `argmax`.
        return tf.cast(tf.equal(_second(labels) > 0.5, given > border), tf.float32)

    return tf.keras.metrics.MeanMetricWrapper(is_right, name="top1")


def _second(labels: Any) -> Any:
    return labels[:, 1:]
