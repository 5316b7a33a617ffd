"""Batches of images in memory: gathered, augmented and preprocessed while the previous one trains.

Images are cached as uint8, a quarter of the size of float32; a batch is gathered by one operation
and prefetched. All randomness follows from seed and epoch, so that a resumed training gives the
same result as an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnbench.data import augmentation
from cnnbench.data.augmentation import Augment

Preprocess = Callable[[Any], Any]
Targets = np.ndarray | Mapping[str, np.ndarray]
"""Ground truth of n images: ``(n, ...)``, or arrays named as the attributes of `Objects`."""
Encode = Callable[[Any], Any]
"""From a batch of targets, as tensors, to what the loss takes."""

# Pixels in an evaluation batch, so that large images need no more memory than small ones.
_EVALUATION_PIXELS = 64 * 224**2


def unchanged(batch: Any) -> Any:
    """Return a batch of images or targets as it is."""
    return batch


class TrainingBatches:
    """Shuffled batches of images, epoch by epoch; the last incomplete batch is dropped.

    A batch of one image would have no variance for batch normalisation, and another shape to trace.

    Args:
        images: uint8 ``(n, h, w, c)``, or float32 features ``(n, d)``.
        targets: of each image; those of objects change with their images.
        batch_size: at most as many as there are images.
        augment: random changes, drawn for every batch.
        preprocess: applied to the augmented batch.
        encode: applied to its targets.
        weights: of each image in the loss, float32 ``(n,)``: batches then have a third part.
        drawn: the images of an epoch by index, ``(m,)``; by default each of them once.

    Attributes:
        steps: batches in an epoch.
        n_images: images in an epoch; 0 for features.
    """

    def __init__(
        self,
        images: np.ndarray,
        targets: Targets,
        batch_size: int,
        augment: Augment,
        preprocess: Preprocess,
        encode: Encode = unchanged,
        weights: np.ndarray | None = None,
        drawn: np.ndarray | None = None,
    ) -> None:
        self._drawn = np.arange(len(images)) if drawn is None else drawn
        self.batch_size = min(batch_size, len(self._drawn))
        self.steps = len(self._drawn) // self.batch_size
        self.n_images = self.steps * self.batch_size if images.ndim == 4 else 0
        self._size = images.shape[1:3]  # features have no size and are not augmented
        self._augment = augment
        self._preprocess = preprocess
        self._encode = encode
        self._images, self._targets = _on_host(images), _on_host(targets)
        self._weights = None if weights is None else _on_host(weights)

    def epoch(self, seed: int, epoch: int) -> Any:
        """Return a `tf.data.Dataset` of one epoch: ``(images, targets)``, or with ``weights`` too.

        Images are float32.
        """
        import tensorflow as tf

        order = self._drawn[np.random.default_rng((seed, epoch)).permutation(len(self._drawn))]
        batches = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        change = self._changes(seed, epoch)

        def batch(step: Any, indices: Any) -> tuple[Any, ...]:
            images = tf.cast(tf.gather(self._images, indices), tf.float32)
            images, targets = change(images, _gathered(self._targets, indices), step)
            found = self._preprocess(images), self._encode(targets)
            if self._weights is None:
                return found
            return *found, tf.gather(self._weights, indices)

        # Not in parallel: the augmentation's random state is carried from batch to batch.
        steps = tf.data.Dataset.from_tensor_slices(batches).enumerate()
        return steps.map(batch).prefetch(tf.data.AUTOTUNE)

    def _changes(self, seed: int, epoch: int) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
        """Return the random changes of images, targets and the place of their batch, in TensorFlow.

        Images with objects have changes of their own: a published accuracy of a classifier depends
        on the draws of its layers.
        """
        if isinstance(self._targets, Mapping):

            def of_objects(images: Any, targets: Any, step: Any) -> tuple[Any, Any]:
                if self._augment.is_off():
                    return images, targets
                place = (seed * 10_007 + epoch, step)
                return augmentation.changed(images, targets, self._augment, place)

            return of_objects
        layers = augmentation.layers(self._augment, self._size, seed=seed * 10_007 + epoch)

        def of_images(images: Any, targets: Any, step: Any) -> tuple[Any, Any]:
            for layer in layers:
                images = layer(images, training=True)
            return images, targets

        return of_images


def at_once(size: Sequence[int], most: int) -> int:
    """Return how many images of ``size``, height and width in px, are evaluated in a batch."""
    return max(1, min(most, _EVALUATION_PIXELS // math.prod(size)))


def evaluation_batches(
    images: np.ndarray,
    targets: Targets,
    preprocess: Preprocess,
    most: int = 256,
    encode: Encode = unchanged,
) -> Any:
    """Return a `tf.data.Dataset` of all ``(images, targets)``, in order and not augmented.

    Args:
        images: uint8 ``(n, h, w, c)``, or float32 features ``(n, d)``.
        targets: of each image.
        preprocess: the network's, for images in 0..255.
        most: images in a batch; fewer if they are large.
        encode: applied to the targets of a batch.
    """
    import tensorflow as tf

    size = at_once(images.shape[1:3], most) if images.ndim == 4 else most
    on_host, wanted = _on_host(images), _on_host(targets)

    def batch(indices: Any) -> tuple[Any, Any]:
        chosen = tf.cast(tf.gather(on_host, indices), tf.float32)
        return preprocess(chosen), encode(_gathered(wanted, indices))

    order = tf.data.Dataset.range(len(images)).batch(size)
    return order.map(batch).prefetch(tf.data.AUTOTUNE)


def _on_host(arrays: Targets) -> Any:
    import tensorflow as tf

    with tf.device("CPU"):  # keep the GPU's memory for the network
        if isinstance(arrays, Mapping):
            return {name: tf.constant(array) for name, array in arrays.items()}
        return tf.constant(arrays)


def _gathered(tensors: Any, indices: Any) -> Any:
    import tensorflow as tf

    if isinstance(tensors, Mapping):
        return {name: tf.gather(tensor, indices) for name, tensor in tensors.items()}
    return tf.gather(tensors, indices)
