"""Every architecture of the catalogue with ``+box``, built without weights, as JSON on stdout.

A process of its own chooses the Keras generation: ``TF_USE_LEGACY_KERAS=1 python -m
tests.models.every_head [NAME]...``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

from cnnbench.models import registry
from tests.models.built import weightless

CLASSES = 7


@dataclass(frozen=True)
class Counted:
    """Parameters of a network with the head and of its backbone, and the backbone's maps."""

    whole: int
    backbone: int
    maps: int
    head_layers: list[str]
    outputs: dict[str, list[int | None]]


def count(name: str) -> Counted:
    """Build one at the smallest size of its line in the catalogue, at least 32 px."""
    size = max(registry.resolve(name).min_size or 0, 32)
    model = registry.resolve(f"{name}+box[input_shape={size}x{size}x3,classes={CLASSES}]")
    with weightless(model, include_top=False) as backbone:
        bare, maps = backbone.count_params(), backbone.outputs[0].shape[-1]
    with weightless(model) as network:
        outputs = {key: list(tensor.shape) for key, tensor in network.output.items()}
        names = sorted(layer.name for layer in model.head_layers(network))
        return Counted(network.count_params(), bare, maps, names, outputs)


if __name__ == "__main__":
    print(json.dumps({name: asdict(count(name)) for name in sys.argv[1:] or registry.names()}))
