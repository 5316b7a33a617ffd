"""``+windows``: a localiser with an objectness, applied to every window at several scales."""

from __future__ import annotations

import math
from typing import Any

from cnnbench.errors import UserError
from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.coding import AnchorCoding, Level
from cnnbench.models.heads.feature_maps import from_finest, size_of
from cnnbench.named import show

_PRIOR = 0.01  # initial probability of every class, as most windows are empty


class Windows:
    """Sliding a localiser (Géron, 3rd ed., ch. 14, "Object Detection" before "FCNs").

    The localiser is that of `+box`: average pooling of the maps in a window, a dense layer of
    ``width`` units, and then a box and, for each class, the probability that the window contains an
    object of it. All probabilities are low in an empty window; they serve as the objectness. Dense
    layers are 1x1 convolutions and the pooling has the size of a window, so all windows of a scale
    share one pass of the backbone. The backbone is applied, with the same weights, to the image at
    ``scales`` scales, each half the previous one. At each scale windows of ``sizes`` sizes slide
    over the maps, one position at a time: squares of ``window`` times the image's shorter side, and
    larger ones in even ratios up to twice that.

    The maps are the coarsest ones of the backbone with at least ``finest`` rows and columns at full
    size.

    ``+slide`` is different: it makes a classifier that was trained on crops fully convolutional, at
    one scale, and predicts classes of windows without boxes; it is evaluated, not trained. Here the
    localiser is trained on whole images, and its receptive field extends beyond the window.

    Outputs: ``boxes`` and ``classes``, logits of one sigmoid per class; the windows are the anchors
    of the `AnchorCoding`.
    """

    task = "detection"
    summary = "a localiser with objectness, applied to every window at several scales"
    takes_top = False

    def attach(
        self,
        backbone: Any,
        classes: int,
        *,
        finest: int = 12,
        window: float = 0.2,
        scales: int = 2,
        sizes: int = 2,
        width: int = 128,
    ) -> dict[str, Any]:
        import tensorflow as tf

        from cnnbench.models.families.anchor_outputs import anchor_outputs

        layers = tf.keras.layers
        check_at_least(1, finest=finest, scales=scales, sizes=sizes, width=width)
        if not 0 < window <= 1:
            raise UserError(
                f"window={window} is not in 0..1, a fraction of the image's shorter side"
            )
        trunk = from_finest(backbone, (finest, finest), "a smaller finest")[0]
        top = [
            layers.Conv2D(width, 1, activation="relu", name=f"{PREFIX}dense"),
            layers.Conv2D(4, 1, kernel_initializer=_near_zero(), name=f"{PREFIX}window_boxes"),
            layers.Conv2D(
                classes,
                1,
                kernel_initializer=_near_zero(),
                bias_initializer=tf.keras.initializers.Constant(-math.log(1 / _PRIOR - 1)),
                name=f"{PREFIX}window_classes",
            ),
        ]
        levels: list[Level] = []
        boxes, logits = [], []
        for number, maps in enumerate(_at_scales(backbone, trunk, scales), start=1):
            for places in _window_places(size_of(maps), window * 2 ** (number - 1), sizes):
                name = f"{PREFIX}scale{number}_window{places}"
                pooled = layers.AveragePooling2D(places, strides=1, name=name)(maps)
                features = top[0](pooled)
                boxes.append(top[1](features))
                logits.append(top[2](features))
                levels.append(_level(size_of(maps), places))
        return anchor_outputs(boxes, logits, AnchorCoding(tuple(levels), "sigmoid"), PREFIX)


def _near_zero() -> Any:
    import tensorflow as tf

    return tf.keras.initializers.RandomNormal(stddev=0.01)


def _at_scales(backbone: Any, trunk: Any, scales: int) -> list[Any]:
    """Return the maps ``trunk`` of the image, and those of the image downsampled by 2, 4 and so on.

    Raises:
        UserError: a downsampled image is too small, or a layer accepts maps of one size only.
    """
    import tensorflow as tf

    from cnnbench.models.fcn.convert import Trunk
    from cnnbench.models.fcn.steps import Names, Steps

    found, images = [trunk], backbone.inputs[0]
    steps = Steps.of(tf.keras.Model(images, trunk)) if scales > 1 else None
    for number in range(2, scales + 1):
        assert steps is not None
        halved = tuple(size // 2 for size in size_of(images))
        fault = f"its image at scale {number} of {scales} is {show(halved)}"
        if min(halved) < 1:
            raise UserError(f"{fault}: too small", hint=_FEWER)
        images = tf.keras.layers.AveragePooling2D(2, name=f"{PREFIX}scale{number}")(images)
        shared = Trunk(Names(), f"{PREFIX}scale{number}_")
        made = {steps.input: images}
        try:
            for step in steps.steps:
                made.update(zip(step.outputs, shared.kept(step, made), strict=True))
        except UserError as error:
            raise UserError(f"{fault}: {error.what}", hint=_FEWER) from error
        if not shared.is_original:
            raise UserError(
                f"two layers of '{backbone.name}' have one name: they cannot serve several scales",
                hint=_FEWER,
            )
        (last,) = steps.results()
        if min(size_of(made[last])) < 1:
            raise UserError(f"{fault}: too small for '{backbone.name}'", hint=_FEWER)
        found.append(made[last])
    return found


_FEWER = "set a larger input_shape, or fewer scales"


def _window_places(places: tuple[int, int], window: float, sizes: int) -> list[int]:
    """Return the distinct sides of the windows of one scale in positions, the smallest first."""
    shorter = min(places)
    sides = (window * 2 ** (number / sizes) * shorter for number in range(sizes))
    return sorted({min(max(round(side), 1), shorter) for side in sides})


def _level(places: tuple[int, int], side: int) -> Level:
    """Return the windows of one size as anchors: all that lie completely on the maps."""
    down, right = places
    return Level(
        down - side + 1,
        right - side + 1,
        (1 / down, 1 / right),
        (side / 2 / down, side / 2 / right),
        ((side / down, side / right),),
    )


WINDOWS = Windows()
