"""Networks with decoding, non-max suppression and masks in a last layer, for export as one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf

from cnnbench.models import output_names
from cnnbench.models.heads.mask import CELLS, MASKS, PROPOSALS
from cnnbench.tasks.detection.codings import stated
from cnnbench.tasks.detection.finished import LAYER, Answers
from cnnbench.tasks.detection.suppression import Suppression
from cnnbench.tasks.instance_segmentation import outputs
from cnnbench.tasks.instance_segmentation.objective import instances
from cnnbench.tasks.instance_segmentation.outputs import BOXES, SCORES, Facts

_SAME = 1e-3  # largest difference of the boxes and scores of one object in two runtimes
_MOST_DIFFERENT = 0.5  # share of the objects


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class AnswersWithMasks(Answers):
    """Turn a network's outputs into ``boxes``, ``labels``, ``masks`` and ``scores``, best first."""

    def call(self, inputs: Any) -> Any:
        coder = stated.coder(Facts.read(self.encoding).detector)
        return instances(inputs, coder, Suppression(**self.suppression))


def finished(network: Any, settings: Suppression) -> Any:
    """Return a ``keras.Model`` from images to objects that shares the layers of ``network``."""
    encoding = outputs.of_network(network)
    layer = AnswersWithMasks(encoding, asdict(settings), name=LAYER)
    return tf.keras.Model(network.input, layer(output_names.of(network)), name=network.name)


def aligned(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return outputs with the objects in the expected order, where they are the same.

    Objects are ordered by their scores, and chosen by them. Where two scores differ by less than
    the arithmetic of two runtimes, the order differs, and of the last ones the choice. An object
    that only one of both has is left out of the comparison, unless that is so for most objects.

    Args:
        found, expected: outputs of two copies of a network, by the names of the outputs. Those of a
            network without masks are returned as they are.
    """
    roles = _roles(expected)
    ordered = (PROPOSALS, MASKS) if PROPOSALS in roles else (BOXES, SCORES, MASKS)
    if len(found) != len(expected) or "" in roles or not set(ordered) <= set(roles):
        return list(found)
    named, wanted = (dict(zip(roles, one, strict=True)) for one in (found, expected))
    if any(named[role].shape != wanted[role].shape for role in ordered):
        return list(found)
    ours, theirs = (_keys(one) for one in (named, wanted))
    apart = np.abs(ours[:, None] - theirs[:, :, None]).max(axis=-1)  # (n, expected, found)
    rows, is_same = apart.argmin(axis=2), apart.min(axis=2) <= _SAME
    if is_same.mean() < _MOST_DIFFERENT:
        return list(found)
    for role in ordered:
        along = (..., *[None] * (named[role].ndim - 2))
        moved = np.take_along_axis(named[role], rows[along], axis=1)
        named[role] = np.where(is_same[along], moved, wanted[role])
    return [named[role] for role in roles]


def _roles(outputs_: Sequence[np.ndarray]) -> list[str]:
    """Return the role of each output: only those of a detector's boxes have the same rank.

    A backbone, and a network of the user's, can have others; these have no role: ''.
    """
    of_rank = {2: [PROPOSALS], 3: [SCORES, BOXES], 4: [CELLS], 5: [MASKS]}
    known = [of_rank.get(one.ndim, []) for one in outputs_]
    return [roles.pop() if roles else "" for roles in known]


def _keys(outputs_: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the numbers that tell one object from others, ``(n, N, _)``."""
    if PROPOSALS in outputs_:
        return outputs_[PROPOSALS][..., None].astype(np.float64)
    return np.concatenate([outputs_[BOXES], outputs_[SCORES]], axis=-1).astype(np.float64)
