"""Batches of images in memory: gathered, augmented and preprocessed while the previous one trains.

Images are cached as uint8, a quarter of the size of float32; a batch is gathered by one operation
and prefetched. All randomness follows from seed and epoch, so that a resumed training gives the
same result as an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnbench.data import augmentation
from cnnbench.data.augmentation import Augment

Preprocess = Callable[[Any], Any]

# Pixels in an evaluation batch, so that large images need no more memory than small ones.
_EVALUATION_PIXELS = 64 * 224**2


class TrainingBatches:
    """Shuffled batches of images, epoch by epoch; the last incomplete batch is dropped.

    A batch of one image would have no variance for batch normalisation, and another shape to trace.

    Args:
        images: uint8 ``(n, h, w, c)``, or float32 features ``(n, d)``.
        targets: as the loss takes them, ``(n, ...)``.
        batch_size: at most as many as there are images.
        augment: random changes, drawn for every batch.
        preprocess: applied to the augmented batch.

    Attributes:
        steps: batches in an epoch.
        n_images: images in an epoch; 0 for features.
    """

    def __init__(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        augment: Augment,
        preprocess: Preprocess,
    ) -> None:
        self.batch_size = min(batch_size, len(images))
        self.steps = len(images) // self.batch_size
        self.n_images = self.steps * self.batch_size if images.ndim == 4 else 0
        self._count = len(images)
        self._size = images.shape[1:3]  # features have no size and are not augmented
        self._augment = augment
        self._preprocess = preprocess
        self._images, self._targets = _on_host(images, targets)

    def epoch(self, seed: int, epoch: int) -> Any:
        """Return a `tf.data.Dataset` of float32 ``(images, targets)`` for one epoch."""
        import tensorflow as tf

        order = np.random.default_rng((seed, epoch)).permutation(self._count)
        batches = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        augment = augmentation.layers(self._augment, self._size, seed=seed * 10_007 + epoch)

        def batch(indices: Any) -> tuple[Any, Any]:
            images = tf.cast(tf.gather(self._images, indices), tf.float32)
            for layer in augment:
                images = layer(images, training=True)
            return self._preprocess(images), tf.gather(self._targets, indices)

        # Not in parallel: the augmentation's random state is carried from batch to batch.
        return tf.data.Dataset.from_tensor_slices(batches).map(batch).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(
    images: np.ndarray, targets: np.ndarray, preprocess: Preprocess, most: int = 256
) -> Any:
    """Return a `tf.data.Dataset` of all ``(images, targets)``, in order and not augmented.

    Args:
        images: uint8 ``(n, h, w, c)``, or float32 features ``(n, d)``.
        targets: as the loss takes them, ``(n, ...)``.
        preprocess: the network's, for images in 0..255.
        most: images in a batch; fewer if they are large.
    """
    import tensorflow as tf

    size = most
    if images.ndim == 4:
        size = max(1, min(most, _EVALUATION_PIXELS // math.prod(images.shape[1:3])))
    on_host, wanted = _on_host(images, targets)

    def batch(indices: Any) -> tuple[Any, Any]:
        chosen = tf.cast(tf.gather(on_host, indices), tf.float32)
        return preprocess(chosen), tf.gather(wanted, indices)

    order = tf.data.Dataset.range(len(images)).batch(size)
    return order.map(batch).prefetch(tf.data.AUTOTUNE)


def _on_host(images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
    import tensorflow as tf

    with tf.device("CPU"):  # keep the GPU's memory for the network
        return tf.constant(images), tf.constant(targets)
