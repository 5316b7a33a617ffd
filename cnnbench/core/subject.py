"""What a probe is given and what it gives back: the three words between a worker and a probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cnnbench.core.model import Model


class Subject(Model, Protocol):
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

    def with_interface(self, input_shape: tuple[int, ...], classes: int) -> Subject:
        """The same network, of which only building it told what it takes and gives."""

    def preprocess(self, images: Any) -> Any:
        """Map float32 images in 0..255, ``(n, h, w, c)``, to what the network was made for."""

    def published(self) -> Mapping[str, float]:
        """The ``published_*`` metrics of this very network, or nothing."""


@dataclass(frozen=True)
class Context:
    """What a job may use beside its subject and its setting.

    Attributes:
        repeat: the round (latency, memory) or the seed (accuracy), from 0.
        artifacts: the cell's own folder: its ``prepare`` job writes here, its rounds read here.
        scratch: a folder for state that a repeated attempt may resume from.
        data_dir: the folder with ``keras/``, ``tensorflow_datasets/``, ``weights/``, or None.
        memory_limit: bytes that this process may use, or None.
        search_path: where files that the suite names are looked up, its own folder first.
        say: sends a progress message to the parent (never inside a timed section).
    """

    repeat: int
    artifacts: Path
    scratch: Path
    data_dir: Path | None = None
    memory_limit: int | None = None
    search_path: tuple[Path, ...] = ()
    say: Callable[[str], None] = lambda message: None


@dataclass
class Finding:
    """What a job found.

    Attributes:
        metrics: metric name without a setting (``latency_p50_s``) -> value in base units.
        samples: raw values in base units, by metric (``latency_s``: one a call).
        details: anything else worth keeping, as JSON (curves, names of uncounted operations).
    """

    metrics: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
