"""From images in memory to batches: gathered, augmented and preprocessed while the last one trains.

The images stay cached as uint8, a quarter of what float32 takes; a batch is gathered by one
operation, and prefetched. Everything random follows from the seed and the epoch alone, so that an
interrupted training goes on exactly as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnbench.data import augmentation
from cnnbench.data.augment import Augment
from cnnbench.data.pictures import Part

Preprocess = Callable[[Any], Any]

# Of a batch that nothing is learnt from, so that large images need no more memory than others.
_EVALUATION_PIXELS = 64 * 224**2


class TrainingBatches:
    """Shuffled batches of one part, epoch by epoch, the last incomplete one left out.

    (A batch of one picture has no variance to normalise by, and another shape to trace.)
    """

    def __init__(
        self, part: Part, classes: int, batch_size: int, augment: Augment, preprocess: Preprocess
    ) -> None:
        self.batch_size = min(batch_size, len(part))
        self.steps = len(part) // self.batch_size
        # In an epoch; of features, which is what a frozen backbone made of them, none.
        self.n_images = self.steps * self.batch_size if part.images.ndim == 4 else 0
        self._count = len(part)
        self._size = part.images.shape[1:3]  # of features, which nothing augments, no size
        self._augment = augment
        self._preprocess = preprocess
        self._images, self._targets = _on_host(part, classes)

    def epoch(self, seed: int, epoch: int) -> Any:
        """A `tf.data.Dataset` of ``(images, one-hot labels)``, float32, for one epoch."""
        import tensorflow as tf

        order = np.random.default_rng((seed, epoch)).permutation(self._count)
        batches = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        augment = augmentation.layers(self._augment, self._size, seed=seed * 10_007 + epoch)

        def batch(indices: Any) -> tuple[Any, Any]:
            images = tf.cast(tf.gather(self._images, indices), tf.float32)
            for layer in augment:
                images = layer(images, training=True)
            return self._preprocess(images), tf.gather(self._targets, indices)

        # One call at a time: the augmentation's random state goes from batch to batch.
        return tf.data.Dataset.from_tensor_slices(batches).map(batch).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(part: Part, classes: int, preprocess: Preprocess, most: int = 256) -> Any:
    """All of ``part``, in order and unchanged, as ``(images, one-hot labels)``.

    Args:
        part: images or features.
        classes: the width of the labels.
        preprocess: what the network makes of images in 0..255.
        most: to a batch; of large images fewer go together.
    """
    import tensorflow as tf

    size = most
    if part.images.ndim == 4:
        size = max(1, min(most, _EVALUATION_PIXELS // math.prod(part.images.shape[1:3])))
    images, targets = _on_host(part, classes)

    def batch(indices: Any) -> tuple[Any, Any]:
        chosen = tf.cast(tf.gather(images, indices), tf.float32)
        return preprocess(chosen), tf.gather(targets, indices)

    order = tf.data.Dataset.range(len(part)).batch(size)
    return order.map(batch).prefetch(tf.data.AUTOTUNE)


def _on_host(part: Part, classes: int) -> tuple[Any, Any]:
    import tensorflow as tf

    with tf.device("CPU"):  # a GPU's memory is for the network
        return tf.constant(part.images), tf.one_hot(part.labels, classes)
