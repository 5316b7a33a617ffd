"""Architectures of the catalogue with every head for segmentation, built without weights, as JSON.

A process of its own chooses the Keras generation: ``TF_USE_LEGACY_KERAS=1 python -m
tests.models.every_segmenter [NAME]...``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

import tensorflow as tf

from cnnbench import analysis
from cnnbench.models import registry
from cnnbench.models.dilated import dilated
from cnnbench.models.heads.feature_maps import image_size, size_of, stage_maps
from tests.models.built import weightless
from tests.models.every_detector import classifiers

CLASSES = 7
SIZE = (75, 97)  # px; no multiple of a stride, and the smallest height of Inception


@dataclass(frozen=True)
class Counted:
    """A network with a head.

    Attributes:
        shape: of its output.
        uncounted: number of operations without a rule.
        prefixed: number of layers of the head.
    """

    shape: list[int | None]
    uncounted: int
    prefixed: int


def heads() -> list[str]:
    return list(registry.heads(task="segmentation"))


def count(name: str, head: str) -> Counted:
    """Build one at `SIZE`."""
    height, width = SIZE
    model = registry.resolve(f"{name}+{head}[input_shape={height}x{width}x3,classes={CLASSES}]")
    with weightless(model) as network:
        uncounted = int(analysis.inspect(network).metrics["uncounted_ops"])
        return Counted(list(network.output_shape), uncounted, len(model.head_layers(network)))


def strides(name: str, output_stride: int) -> tuple[int, int, int]:
    """Return the resolutions and the stride of a backbone's maps, and their stride if dilated.

    The strides are the number of px in the place of one position, rounded to a power of 2.
    """
    model = registry.resolve(name)
    with weightless(model, input_shape=(256, 256, 3), include_top=False) as backbone:
        own = stage_maps(backbone)
        made = stage_maps(dilated(backbone, output_stride))
        found = [image_size(backbone)[0] / size_of(maps[-1])[0] for maps in (own, made)]
    first, second = (2 ** round(tf.math.log(one).numpy() / 0.6931) for one in found)
    return len(own), first, second


if __name__ == "__main__":
    found = {}
    for text in sys.argv[1:] or classifiers():
        found[text] = {head: asdict(count(text, head)) for head in heads()}
        tf.keras.backend.clear_session()
    print(json.dumps(found))
