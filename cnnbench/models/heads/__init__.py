"""Heads, which turn a backbone into a network for a task: ``MobileNetV2+box``.

A head is one file here with a `Head` in it and one line in `HEADS`; another package adds one by an
entry point of the group ``cnnbench.heads``. The module must be light to import: `Head.attach`
imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from cnnbench.errors import UserError
from cnnbench.plugins import Registry
from cnnbench.text import shape_text

PREFIX = "task_head_"
"""Prefix of the names of a head's layers; all other layers of the network are the backbone's.

Backbones must not use it. ``head_`` would not do: EfficientNet-Lite has a ``head_conv``.
"""


class Head(Protocol):
    """The layers on a backbone that make it a network for one task."""

    @property
    def task(self) -> str:
        """The task of a network with this head: ``localization``."""

    @property
    def summary(self) -> str:
        """A short description for lists."""

    @property
    def takes_top(self) -> bool:
        """True if it changes a complete classifier; else it gets a backbone without its top."""

    @property
    def attach(self) -> Callable[..., Any]:
        """``attach(backbone, classes, *, parameter=default, ...) -> outputs``.

        ``backbone`` is a functional ``keras.Model`` from images to feature maps; with `takes_top`
        it is a classifier. Other maps can be reached through its layers. The head's own parameters
        are keyword arguments with defaults; model names set them in the head's brackets.

        The outputs are a symbolic tensor, or a dictionary of several by name. Names of layers that
        the head adds begin with `PREFIX`. A `UserError` says why the head cannot be attached to
        this backbone.
        """


@runtime_checkable
class EnlargingHead(Head, Protocol):
    """A head with `takes_top` for images larger than those of its classifier.

    Its ``attach`` receives them too: ``attach(classifier, classes, images, *, ...)``, where
    ``images`` is the symbolic input of the whole network.
    """

    @property
    def classifier_input(self) -> Callable[..., tuple[int, ...]]:
        """``classifier_input(own, image, *, parameter=default, ...) -> input_shape``.

        The input shape of the classifier, given its default one and that of the whole network; the
        parameters are those of `attach`. A `UserError` says why the image does not fit.
        """


def maps_of(backbone: Any) -> Any:
    """Return the last feature maps of a backbone, ``(n, height, width, channels)``.

    Raises:
        UserError: the backbone returns vectors.
    """
    maps = backbone.outputs[0]
    if len(maps.shape) != 4:
        raise UserError(
            f"its head needs feature maps (n, height, width, channels), and the backbone "
            f"'{backbone.name}' gives {shape_text(maps.shape)}",
            hint="the builder must omit pooling and dense layers with include_top=False",
        )
    return maps


def check_at_least(least: int, **parameters: int) -> None:
    """Raise `UserError` if one of a head's parameters is smaller than ``least``."""
    for name, value in parameters.items():
        if value < least:
            raise UserError(f"its head's parameter {name}={value} must be at least {least}")


def check_power_of_2(**parameters: int) -> None:
    """Raise `UserError` if one of a head's parameters is not 1, 2, 4 and so on."""
    for name, value in parameters.items():
        if value < 1 or value & (value - 1):
            raise UserError(f"its head's parameter {name}={value} must be a power of 2")


HEADS: Registry[Head] = Registry(
    "cnnbench.heads",
    "head",
    {
        "box": "cnnbench.models.heads.box:BOX",
        "yolo": "cnnbench.models.heads.yolo:YOLO",
        "ssdlite": "cnnbench.models.heads.ssdlite:SSDLITE",
        "retina": "cnnbench.models.heads.retina:RETINA",
        "windows": "cnnbench.models.heads.windows:WINDOWS",
        "mask": "cnnbench.models.heads.mask:MASK",
        "slide": "cnnbench.models.heads.slide:SLIDE",
        "crops": "cnnbench.models.heads.slide:CROPS",
        "fcn32s": "cnnbench.models.heads.fcn_scores:FCN32S",
        "fcn16s": "cnnbench.models.heads.fcn_scores:FCN16S",
        "fcn8s": "cnnbench.models.heads.fcn_scores:FCN8S",
        "unet": "cnnbench.models.heads.unet:UNET",
        "fcn": "cnnbench.models.heads.fcn:FCN",
        "deeplabv3": "cnnbench.models.heads.deeplabv3:DEEPLABV3",
        "lraspp": "cnnbench.models.heads.lraspp:LRASPP",
    },
)
