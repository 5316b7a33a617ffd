"""What the rooms that do not build networks know of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Model(Protocol):
    """Enough to plan with, nothing that needs TensorFlow."""

    @property
    def text(self) -> str:
        """As the suite wrote it; a worker resolves it again from this."""

    @property
    def label(self) -> str:
        """The canonical name with its parameters: ``MobileNetV2[alpha=0.5]``."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``(height, width, channels)``; () where only building it tells."""

    @property
    def classes(self) -> int:
        """How many classes it tells apart; 0 where only building it tells."""

    @property
    def stated(self) -> frozenset[str]:
        """Names among ``input_shape`` and ``classes`` that are given in brackets after its name."""

    @property
    def fixed(self) -> frozenset[str]:
        """Names among the two whose values are fixed, for example by a file."""

    @property
    def output(self) -> str | None:
        """Path of the output that says the class (`core.output_names`); None: the first."""

    @property
    def min_size(self) -> int | None:
        """The smallest height and width that it can be built at, or None where unknown."""

    def identity(self) -> Mapping[str, Any]:
        """Everything of the model that decides a result, as JSON."""


class ModelHandle(Model, Protocol):
    """A network that can be built: what ``cnnbench.models.registry.resolve`` returns.

    Probes see only this, so that they never import the registry.
    """

    @property
    def is_trained(self) -> bool:
        """Whether it comes with weights of its own, as one in a file."""

    def build(
        self,
        *,
        input_shape: tuple[int, ...] | None = None,
        classes: int | None = None,
        include_top: bool = True,
        weights: str | Path | None = None,
    ) -> Any:
        """Return a ``keras.Model`` (of the Keras generation of this process)."""

    def architecture(
        self, *, input_shape: tuple[int, ...] | None = None, classes: int | None = None
    ) -> Any:
        """As ``build``, with no weights but those that its initialisers draw."""

    def with_interface(self, input_shape: tuple[int, ...], classes: int) -> ModelHandle:
        """The same network, of which only building it told what it takes and gives."""

    def preprocess(self, images: Any) -> Any:
        """Map float32 images in 0..255, ``(n, h, w, c)``, to what the network was made for."""

    def published(self) -> Mapping[str, float]:
        """The ``published_*`` metrics of this very network, or nothing."""
