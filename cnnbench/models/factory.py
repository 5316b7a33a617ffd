"""Protocols of what builds the network of a model; each `ModelSource` has its own kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from cnnbench.models.model import Model, Request


class NetworkFactory(Protocol):
    """Builds the network of one model; each `ModelSource` has its own kind."""

    @property
    def is_trained(self) -> bool:
        """True if the network comes with its own weights."""

    def takes(self, argument: str) -> bool:
        """Return whether ``input_shape``, ``classes`` or ``include_top`` can be changed."""

    def architecture(self, request: Request) -> Any:
        """Return the ``keras.Model`` with initial weights."""

    def pretrained(self, request: Request) -> Any:
        """Return the ``keras.Model`` with ImageNet weights, or raise `Unavailable`."""

    def restore(self, model: Any) -> None:
        """Load the weights that the model comes with, if any."""

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        """Map float32 images in 0..255 to the inputs that the network expects."""

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what else affects results besides name and parameters: hashes of its source."""


@runtime_checkable
class AssemblingFactory(NetworkFactory, Protocol):
    """A factory of backbones with a head; a file may have the weights of the backbone alone."""

    @property
    def backbone(self) -> Model:
        """The model under the head."""

    def assembled(self, request: Request, source: str | Path | None) -> Any:
        """Return the ``keras.Model`` with weights.

        Args:
            request: the network.
            source: ``'imagenet'``, a weights file, or None for those that it comes with.
        """

    def trained(self, request: Request, source: str | Path | None) -> Any:
        """Return the same, or raise `UserError` where ``source`` has no weights for a part."""


@runtime_checkable
class ConvertedFactory(NetworkFactory, Protocol):
    """A factory whose network is a converted file: Keras runs it, but does not know its layers."""

    @property
    def converted_file(self) -> Path:
        """The file."""
