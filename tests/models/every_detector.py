"""Architectures of the catalogue with every head of a detector, built without weights, as JSON.

A process of its own chooses the Keras generation: ``TF_USE_LEGACY_KERAS=1 python -m
tests.models.every_detector [NAME]...``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

import tensorflow as tf

from cnnbench import analysis
from cnnbench.models import registry
from cnnbench.models.heads import coding as codings
from tests.models.built import weightless

CLASSES = 7
SMALLEST = 96  # px; +windows halves the image, and many networks need 32 px
HALVED_TOO = 2 * 75  # px: Inception's smallest size is 75


@dataclass(frozen=True)
class Counted:
    """A network with a head.

    Attributes:
        shapes: of its outputs by name; of a single one by ``""``.
        boxes: number of boxes, or the shape of the grid, that its coding has.
        scores: ``softmax``, ``sigmoid``, or ``grid``.
        resolutions: number of levels of anchors.
        uncounted: number of operations without a rule.
    """

    shapes: dict[str, list[int | None]]
    boxes: list[int]
    scores: str
    resolutions: int
    uncounted: int


def heads() -> list[str]:
    return list(registry.heads(task="detection"))


def classifiers() -> list[str]:
    """Return every name of the catalogue that is a backbone."""
    return [one.name for one in registry.entries(task="classification")]


def count(name: str, head: str) -> Counted:
    """Build one at the smallest size at which all heads can be attached."""
    least = registry.resolve(name).min_size or 0
    size = HALVED_TOO if least > SMALLEST // 2 else SMALLEST
    model = registry.resolve(f"{name}+{head}[input_shape={size}x{size}x3,classes={CLASSES}]")
    with weightless(model) as network:
        coding = codings.of_json(network.get_layer(codings.LAYER).coding)
        outputs = network.output if isinstance(network.output, dict) else {"": network.output}
        shapes = {key: list(one.shape) for key, one in outputs.items()}
        uncounted = int(analysis.inspect(network).metrics["uncounted_ops"])
    if isinstance(coding, codings.GridCoding):
        return Counted(shapes, [coding.rows, coding.columns], "grid", 1, uncounted)
    anchors = len(coding.anchors())
    return Counted(shapes, [anchors], coding.scores, len(coding.levels), uncounted)


if __name__ == "__main__":
    found = {}
    for text in sys.argv[1:] or classifiers():
        found[text] = {head: asdict(count(text, head)) for head in heads()}
        tf.keras.backend.clear_session()
    print(json.dumps(found))
