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
    """Heads that take a classifier, ``crop`` px in size, to larger images.

    Outputs: the classifier's probabilities of every window, ``(n, down, right, classes)``. The
    windows are as many px apart as the product of the classifier's strides. Pixels to the right
    and at the bottom that are part of no whole window are not used.
    """

    task = "classification"
    takes_top = True

    def classifier_input(self, own: Shape, image: Shape, *, crop: Shape | None = None) -> Shape:
        """Return the input at which the classifier is built: ``crop``, by default its own.

        Args:
            own: the classifier's input by default, ``(height, width, channels)``.
            image: the input of the whole network.
            crop: ``(height, width)`` of a window.

        Raises:
            UserError: the image is smaller, or ``crop`` is no height and width.
        """
        if crop is not None and (not isinstance(crop, tuple) or len(crop) != 2):
            raise UserError("crop is the height and width of a window", hint="write crop=28x28")
        window = tuple(own[:2] if crop is None else crop)
        if any(whole < part for whole, part in zip(image, window, strict=False)):
            raise UserError(
                f"an image of {show(image[:2])} is smaller than the window, {show(window)}",
                hint=f"set input_shape to at least {show((*window, *image[2:]))}, or a crop",
            )
        return (*window, *image[2:])

    def _read(self, classifier: Any, images: Any) -> tuple[Classifier, Grid]:
        """Read the classifier; return it with its windows in the images."""
        from cnnbench.models.fcn import Classifier
        from cnnbench.models.fcn.sliding import Grid

        read = Classifier.read(classifier)
        return read, Grid.on(images.shape[1:], read.window, read.stride())


class Slide(_Sliding):
    """The classifier as a fully convolutional network, which shares the work of its windows."""

    summary = "a classifier made fully convolutional, at every window of a larger image"

    def attach(self, backbone: Any, classes: int, images: Any, *, crop: Shape | None = None) -> Any:
        import tensorflow as tf

        read, grid = self._read(backbone, images)
        # Then no floor of a pooling gives a place that is no whole window.
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
                    f"are {show(grid.places)} windows: a layer moves its places",
                    hint="cnnbench.to_fcn(model) converts it without a grid of windows",
                )
        return outputs


class Crops(_Sliding):
    """The unchanged classifier on every window, all of them in one batch."""

    summary = "a classifier on every window of a larger image, cut out one by one"

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
