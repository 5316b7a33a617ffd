"""``+slide`` and ``+crops``: a classifier at every window of a larger image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnbench.errors import UserError
from cnnbench.models.heads import PREFIX
from cnnbench.named import show

if TYPE_CHECKING:
    from cnnbench.models.fcn import Classifier
    from cnnbench.models.fcn.sliding import Grid

Shape = tuple[int, ...]


class _Sliding:
    """Heads that apply a classifier, with an input of ``crop`` px, to larger images.

    Outputs: the classifier's probabilities for every window, ``(n, rows, columns, classes)``. The
    distance between windows is the product of the classifier's strides, in px. Pixels on the right
    and at the bottom that are not part of a whole window are not used.
    """

    task = "classification"
    takes_top = True

    def classifier_input(self, own: Shape, image: Shape, *, crop: Shape | None = None) -> Shape:
        """Return the input shape of the classifier: ``crop``, or its default one.

        Args:
            own: default input shape of the classifier, ``(height, width, channels)``.
            image: input shape of the whole network.
            crop: ``(height, width)`` of a window.

        Raises:
            UserError: the image is smaller, or ``crop`` is not a height and width.
        """
        if crop is not None and (not isinstance(crop, tuple) or len(crop) != 2):
            raise UserError("crop must be height and width of a window", hint="write crop=28x28")
        window = tuple(own[:2] if crop is None else crop)
        if any(whole < part for whole, part in zip(image, window, strict=False)):
            raise UserError(
                f"an image of {show(image[:2])} is smaller than the window, {show(window)}",
                hint=f"set input_shape to at least {show((*window, *image[2:]))}, or a crop",
            )
        return (*window, *image[2:])

    def _read(self, classifier: Any, images: Any) -> tuple[Classifier, Grid]:
        """Return the parsed classifier and the grid of its windows in the images."""
        from cnnbench.models.fcn import Classifier
        from cnnbench.models.fcn.sliding import Grid

        read = Classifier.read(classifier)
        return read, Grid.on(images.shape[1:], read.window, read.stride())


class Slide(_Sliding):
    """The classifier as a fully convolutional network, whose windows share computations."""

    summary = "a fully convolutional classifier, applied to every window of a larger image"

    def attach(self, backbone: Any, classes: int, images: Any, *, crop: Shape | None = None) -> Any:
        import tensorflow as tf

        read, grid = self._read(backbone, images)
        # Without these pixels, rounding in a pooling layer cannot add a position without a window.
        bottom, right = (
            size - part for size, part in zip(images.shape[1:3], grid.covered, strict=True)
        )
        if bottom or right:
            whole = tf.keras.layers.Cropping2D(
                ((0, bottom), (0, right)), name=f"{PREFIX}whole_windows"
            )
            images = whole(images)
        outputs = read.on(images, PREFIX)
        for one in tf.nest.flatten(outputs):
            if tuple(one.shape[1:3]) != grid.places:
                raise UserError(
                    f"the grid of '{backbone.name}' is {show(tuple(one.shape[1:3]))}, but there "
                    f"are {show(grid.places)} windows: a layer changes the number of positions",
                    hint="cnnbench.to_fcn(model) converts it without a grid of windows",
                )
        return outputs


class Crops(_Sliding):
    """The unchanged classifier on every window, all of them in one batch."""

    summary = "a classifier applied to every window of a larger image, cut out one by one"

    def attach(self, backbone: Any, classes: int, images: Any, *, crop: Shape | None = None) -> Any:
        import tensorflow as tf

        from cnnbench.models.families.own_layers import CutWindows, PlaceOnGrid

        read, grid = self._read(backbone, images)
        cut = CutWindows(grid.window, grid.stride, grid.places, name=f"{PREFIX}windows")
        outputs = read.unchanged_on(cut(images))
        flat = tf.nest.flatten(outputs)
        names = [f"{PREFIX}grid" + f"_{at}" * bool(at) for at in range(len(flat))]
        placed = [
            PlaceOnGrid(grid.places, name=name)(one) for name, one in zip(names, flat, strict=True)
        ]
        return tf.nest.pack_sequence_as(outputs, placed)


SLIDE, CROPS = Slide(), Crops()
