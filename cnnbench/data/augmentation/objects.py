"""Random changes of images together with the boxes and masks of the objects in them.

The settings and their meaning are those of `images.layers`, whose draws are its own: accuracies
that were published with it stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cnnbench.data.annotations import IGNORED, NO_OBJECT
from cnnbench.data.augmentation.settings import Augment, refuse_rotation

_DRAWS = 10  # numbers drawn for an image, whatever is set: each setting keeps its own
_WHITE = 255.0
_SAME_PLACE = 1e-5  # of a side: what rounding may move a box


def changed(
    images: Any, objects: Mapping[str, Any], augment: Augment, seed: Any
) -> tuple[Any, dict[str, Any]]:
    """Change each image of a batch at random, and the objects in it alike, in TensorFlow.

    Objects keep their rows. One of which less than `fitting.LEAST_LEFT` is left in the picture (of
    its pixels where instance masks are known, else of its box) gets the label `NO_OBJECT`, its row
    becomes 0 and its pixels ground. What comes from outside the old picture repeats its edge; in
    masks it is ground, and `IGNORED` in semantic ones.

    Args:
        images: float32 ``(b, h, w, c)`` in 0..255, of known height and width.
        objects: tensors named as the attributes of `annotations.Objects`, those that there are.
            Attributes without a place pass unchanged.
        augment: the changes; each is drawn anew for every image.
        seed: two integers, for example a number for the epoch and the place of the batch in it:
            the same seed gives the same changes.

    Returns:
        Images and objects, of the same shapes and types.

    Raises:
        UserError: boxes would be rotated without ``instances``; see `refuse_rotation`.
    """
    import tensorflow as tf

    refuse_rotation(augment, [kind for kind in ("boxes", "instances") if kind in objects])
    shape = (_DRAWS, tf.shape(images)[0])
    draws = tf.unstack(tf.random.stateless_uniform(shape, seed, alg="philox"), _DRAWS)
    found = dict(objects)
    if augment.moves():
        motion = _Motion(augment, (int(images.shape[1]), int(images.shape[2])), draws[:-2])
        images, found = motion.of_images(images), motion.of_objects(found)
    return _recoloured(images, augment, draws[-2:]), found


def _recoloured(images: Any, augment: Augment, draws: list[Any]) -> Any:
    """Change contrast, then brightness, and clip to 0..255."""
    import tensorflow as tf

    contrast, brightness = (_signed(draw)[:, None, None, None] for draw in draws)
    if augment.contrast:
        mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
        images = (images - mean) * (1 + augment.contrast * contrast) + mean
        images = tf.clip_by_value(images, 0.0, _WHITE)
    if augment.brightness:
        images = images + augment.brightness * _WHITE * brightness
        images = tf.clip_by_value(images, 0.0, _WHITE)
    return images


class _Motion:
    """One affine map for each image of a batch.

    With x to the right and y down, in pixels from the centre, a point p of the old image comes to
    q = R S p / zoom + shift: S mirrors, R rotates. Pixels are fetched by its inverse, p =
    zoom S R' (q - shift). The window of ``crop`` comes last; it is a shift by whole pixels, and
    black where it leaves the image.
    """

    def __init__(self, augment: Augment, size: tuple[int, int], draws: list[Any]) -> None:
        import tensorflow as tf

        height, width = self._size = size
        horizontal, vertical, zoom, angle, *places = draws
        still = tf.zeros_like(zoom)
        self._rotates, self._crops = bool(augment.rotation), bool(augment.crop)
        self._mirror = (
            _mirrored(horizontal, augment.flip in ("horizontal", "both")),
            _mirrored(vertical, augment.flip in ("vertical", "both")),
        )
        self._zoom = 1 + augment.zoom * _signed(zoom)
        self._angle = 2 * math.pi * augment.rotation * _signed(angle)
        self._window, shift = [still, still], []
        for axis, side in enumerate((width, height)):
            if self._crops:
                pad = max(1, round(augment.crop * side))
                self._window[axis] = tf.floor(places[2 + axis] * (2 * pad + 1)) - pad
            moved = augment.translation * side * _signed(places[axis])
            shift.append(moved / self._zoom + self._window[axis])
        self._shift = tuple(shift)

    def of_images(self, images: Any) -> Any:
        """Return the images, interpolated bilinearly."""
        moved = self._fetched(images, "BILINEAR", "NEAREST")
        return self._windowed(moved, 0.0) if self._crops else moved

    def of_mask(self, mask: Any, outside: int) -> Any:
        """Return a mask ``(b, h, w)`` of integers, each from the nearest pixel or ``outside``."""
        import tensorflow as tf

        pixels = tf.cast(mask, tf.int32)[..., None]  # uint16 has no kernel
        moved = self._fetched(pixels, "NEAREST", "CONSTANT", float(outside))
        if self._crops:
            moved = self._windowed(moved, outside)
        return tf.cast(moved[..., 0], mask.dtype)

    def of_objects(self, objects: dict[str, Any]) -> dict[str, Any]:
        """Return the objects; those of which too little is left have the label `NO_OBJECT`."""
        import tensorflow as tf

        from cnnbench.data.fitting import LEAST_LEFT  # reads pictures by Pillow: not for planning

        found, left = dict(objects), None
        if "semantic" in objects:
            found["semantic"] = self.of_mask(objects["semantic"], IGNORED)
        if "boxes" in objects:
            found["boxes"], left, is_cut = self._boxes(objects["boxes"])
        if "instances" in objects:
            rows = tf.shape(objects["labels"])[1]
            found["instances"] = self.of_mask(objects["instances"], 0)
            before, after = (_Extents(one["instances"], rows) for one in (objects, found))
            share = after.areas * self._zoom[:, None] ** 2 / tf.maximum(before.areas, 1.0)
            if left is not None and not self._rotates:
                # An object without pixels, of a crowd for example, has only its box.
                has_pixels = before.areas > 0
                share, is_cut = tf.where(has_pixels, share, left), is_cut & has_pixels
                found["boxes"] = tf.where(is_cut[..., None], after.boxes(), found["boxes"])
            elif left is not None:
                found["boxes"] = after.boxes()
            left = share
        return found if left is None else _without_lost(found, left >= LEAST_LEFT)

    def _boxes(self, boxes: Any) -> tuple[Any, Any, Any]:
        """Return boxes that are not rotated, the share of each that is left, and if it is cut."""
        import tensorflow as tf

        edges: list[Any] = [None] * 4
        lengths, cut = [], []
        for axis in (0, 1):  # down, right; the map has x first
            mirror, shift, window = (
                values[1 - axis][:, None] for values in (self._mirror, self._shift, self._window)
            )
            side = self._size[axis]
            ends = [
                (boxes[..., end] - 0.5) * mirror / self._zoom[:, None] + shift / side + 0.5
                for end in (axis, 2 + axis)
            ]
            first, last = tf.minimum(*ends), tf.maximum(*ends)
            low, high = tf.maximum(window / side, 0.0), tf.minimum(1 + window / side, 1.0)
            edges[axis] = tf.clip_by_value(first, low, high)
            edges[2 + axis] = tf.clip_by_value(last, low, high)
            lengths.append((edges[2 + axis] - edges[axis]) / tf.maximum(last - first, 1e-9))
            cut.append((first < low - _SAME_PLACE) | (last > high + _SAME_PLACE))
        return tf.stack(edges, axis=-1), lengths[0] * lengths[1], cut[0] | cut[1]

    def _fetched(self, pixels: Any, how: str, beyond: str, value: float = 0.0) -> Any:
        """Return ``(b, h, w, c)`` with each pixel taken from its place in the old image."""
        import tensorflow as tf

        x, y = ((side - 1) / 2 for side in (self._size[1], self._size[0]))  # of the central pixel
        cos, sin = tf.cos(self._angle) * self._zoom, tf.sin(self._angle) * self._zoom
        right, down = self._mirror
        rows = ((right * cos, right * sin, x), (-down * sin, down * cos, y))
        numbers: list[Any] = []
        for by_x, by_y, centre in rows:
            offset = by_x * (x + self._shift[0]) + by_y * (y + self._shift[1])
            numbers += [by_x, by_y, centre - offset]
        none = tf.zeros_like(self._zoom)
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels,
            transforms=tf.stack([*numbers, none, none], axis=-1),
            output_shape=self._size,
            fill_value=value,
            interpolation=how,
            fill_mode=beyond,
        )
        moved.set_shape(pixels.shape)
        return moved

    def _windowed(self, pixels: Any, outside: float) -> Any:
        """Return ``(b, h, w, c)``, ``outside`` where the window of ``crop`` leaves the image."""
        import tensorflow as tf

        inside = []
        for side, window in zip(self._size, reversed(self._window), strict=True):
            place = tf.range(side, dtype=tf.float32) - window[:, None]
            inside.append((place >= 0) & (place < side))
        seen = (inside[0][:, :, None] & inside[1][:, None, :])[..., None]
        return tf.where(seen, pixels, tf.cast(outside, pixels.dtype))


class _Extents:
    """The pixels of each object of a batch, counted by line.

    Args:
        instances: integers ``(b, h, w)``, as `annotations.Objects.instances`.
        rows: objects in an image, with those that only fill up.

    Attributes:
        areas: pixels of each object, float32 ``(b, rows)``.
    """

    def __init__(self, instances: Any, rows: Any) -> None:
        import tensorflow as tf

        batch, with_ground = tf.shape(instances)[0], rows + 1
        first = tf.range(batch)[:, None, None] * with_ground
        numbers = tf.cast(instances, tf.int32) + first
        self._lines = []
        for axis in (1, 2):
            side = int(instances.shape[axis])
            place = tf.reshape(tf.range(side), (1, side, 1) if axis == 1 else (1, 1, side))
            bins = batch * with_ground * side
            counts = tf.math.bincount(numbers * side + place, minlength=bins, maxlength=bins)
            self._lines.append(tf.reshape(counts, (batch, with_ground, side))[:, 1:])
        self.areas = tf.cast(tf.reduce_sum(self._lines[0], axis=-1), tf.float32)

    def boxes(self) -> Any:
        """Return float32 ``(b, rows, 4)``, as `annotations.Objects.boxes`."""
        import tensorflow as tf

        edges: list[Any] = [None] * 4
        for axis, counts in enumerate(self._lines):
            side = int(counts.shape[-1])
            is_there = tf.cast(counts > 0, tf.int32)
            before = tf.argmax(is_there, axis=-1, output_type=tf.int32)
            behind = tf.argmax(is_there[..., ::-1], axis=-1, output_type=tf.int32)
            edges[axis] = tf.cast(before, tf.float32) / side
            edges[2 + axis] = tf.cast(side - behind, tf.float32) / side
        return tf.stack(edges, axis=-1)


def _without_lost(objects: dict[str, Any], kept: Any) -> dict[str, Any]:
    """Return the objects with 0 in the rows that are not ``kept``, and their pixels as ground."""
    import tensorflow as tf

    kept = kept & (objects["labels"] != NO_OBJECT)
    found = {**objects, "labels": tf.where(kept, objects["labels"], NO_OBJECT)}
    for name in ("boxes", "ignored", "crowd", "visible"):
        if name in objects:
            there = kept[..., None] if name == "boxes" else kept
            found[name] = tf.where(there, objects[name], tf.zeros_like(objects[name]))
    if "instances" in objects:
        numbers = objects["instances"]
        ground = tf.ones((tf.shape(kept)[0], 1), tf.bool)
        there = tf.gather(
            tf.concat([ground, kept], axis=1), tf.cast(numbers, tf.int32), batch_dims=1
        )
        found["instances"] = tf.where(there, numbers, tf.zeros_like(numbers))
    return found


def _mirrored(draw: Any, is_on: bool) -> Any:
    """Return -1 for half of the draws, 1 for the others; 1 for all if the flip is off."""
    import tensorflow as tf

    return tf.where(draw < 0.5, -1.0, 1.0) if is_on else tf.ones_like(draw)


def _signed(draw: Any) -> Any:
    """Return draws from 0..1 as from -1..1."""
    return 2 * draw - 1
