"""A model: the facts about it, the parameters asked for, and the factory that builds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cnnbench.environment import keras_backend
from cnnbench.errors import UserError, brief, explained
from cnnbench.models import catalog
from cnnbench.models import weights as weight_files
from cnnbench.models.arguments import choose
from cnnbench.models.catalog import Entry
from cnnbench.models.factory import AssemblingFactory, ConvertedFactory, NetworkFactory
from cnnbench.models.heads import PREFIX
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import Signature
from cnnbench.named import show

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """The arguments of a `NetworkFactory`.

    Attributes:
        label: the model's name in messages.
        input_shape: without the batch axis; () leaves it to the builder.
        classes: 0 leaves it to the builder.
        include_top: with the classifier, or the backbone alone.
        parameters: only those that differ from the builder's defaults.
        changed: names of what differs from the model as it was resolved.
    """

    label: str
    input_shape: Shape
    classes: int
    include_top: bool
    parameters: Mapping[str, Any]
    changed: frozenset[str] = frozenset()

    def refused(self, error: BaseException, where: str = "") -> UserError:
        """Return a builder's exception as an error of one line."""
        # The messages of other types are unclear without the type.
        is_plain = isinstance(error, ValueError | TypeError) and str(error)
        words = brief(error) if is_plain else explained(error)
        return UserError(f"{self.label} cannot be built: {words}", where)


@dataclass(frozen=True)
class Model:
    """A model as `registry.resolve` returns it; nothing heavy happens before `build`.

    Attributes:
        text: as written; another process resolves it again from this.
        entry: the facts about the architecture at its defaults.
        defaults: parameters of the builder that every identity has, at their defaults.
        parameters: those that were given and differ from their defaults.
        input_shape: without the batch axis; () if unknown before building.
        classes: 0 if unknown before building.
        factory: builds it.
        stated: those of ``input_shape`` and ``classes`` that are given in its brackets.
        output: the path of the output with the classes; None for the first output.
    """

    text: str
    entry: Entry
    defaults: Mapping[str, Any]
    parameters: Mapping[str, Any]
    input_shape: Shape
    classes: int
    factory: NetworkFactory
    stated: frozenset[str] = frozenset()
    output: str | None = None

    def __post_init__(self) -> None:
        self._check_size(self.input_shape)

    @classmethod
    def from_name(
        cls, written: ModelName, entry: Entry, signature: Signature, factory: NetworkFactory
    ) -> Model:
        """Return the model for a name whose parameters are checked against a signature.

        Raises:
            UserError: a parameter that it does not take, or a value of the wrong type.
        """
        stated = frozenset(dict(written.parameters)) & {"input_shape", "classes"}
        chosen = vars(choose(written, entry, signature))
        return cls(text=written.text, entry=entry, factory=factory, stated=stated, **chosen)

    @cached_property
    def label(self) -> str:
        """The canonical name, with the parameters that are not at their defaults, in order."""
        given = dict(self.parameters)
        if self.input_shape != self.entry.input_shape:
            given["input_shape"] = self.input_shape
        if self.classes != self.entry.classes:
            given["classes"] = self.classes
        if self.output is not None:
            given["output"] = self.output
        return str(ModelName(self.entry.name, tuple(given.items())))

    def with_interface(self, input_shape: Shape, classes: int) -> Model:
        """Return a copy with the input shape and classes that were found by building it."""
        entry = replace(self.entry, input_shape=input_shape, classes=classes)
        return replace(self, entry=entry, input_shape=input_shape, classes=classes)

    @property
    def fixed(self) -> frozenset[str]:
        """Those of ``input_shape`` and ``classes`` that cannot change, not even by another top."""
        takes = self.factory.takes
        can_change = {
            "input_shape": takes("input_shape"),
            "classes": takes("classes") or takes("include_top"),
        }
        return frozenset(name for name, can in can_change.items() if not can)

    @property
    def backbone(self) -> Model | None:
        """The model under its head, with the input at which it is built; None without a head."""
        factory = self.factory
        return factory.backbone if isinstance(factory, AssemblingFactory) else None

    @property
    def task(self) -> str:
        """The task of the model: ``classification``."""
        return self.entry.task

    @property
    def is_task_assumed(self) -> bool:
        """True for a user's builder or file that states no task: it counts as a classifier."""
        return self.entry.source == "user" and self.entry.task == Entry.task

    @property
    def is_trained(self) -> bool:
        """True if the model comes with its own weights, as one in a file."""
        return self.factory.is_trained

    @property
    def converted_file(self) -> Path | None:
        """The converted file that the model is, which runtimes open as it is; None for Keras."""
        factory = self.factory
        return factory.converted_file if isinstance(factory, ConvertedFactory) else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of its classes, in the order of its outputs; () if unknown."""
        return self.entry.class_names

    @property
    def min_size(self) -> int | None:
        """The smallest height and width that it can be built at, or None if unknown."""
        return self.entry.min_size

    def identity(self) -> dict[str, Any]:
        """Return everything about the model that affects a result, as JSON values."""
        values = sorted({**self.defaults, **self.parameters}.items())
        judged = {} if self.output is None else {"output": self.output}
        return {
            "name": self.entry.name,
            "parameters": {k: list(v) if isinstance(v, tuple | list) else v for k, v in values},
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            **judged,
            **self.factory.fingerprint(),
        }

    def published(self) -> Mapping[str, float]:
        """Return the ``published_*`` metrics; none for an architecture with changed parameters."""
        return catalog.published(self.label)

    def preprocess(self, images: Any) -> Any:
        """Map float32 images ``(n, h, w, c)`` in 0..255 to the inputs that the network expects."""
        return self.factory.preprocess(images, self.parameters)

    def build(
        self,
        *,
        input_shape: Shape | None = None,
        classes: int | None = None,
        include_top: bool = True,
        weights: str | Path | None = None,
    ) -> Any:
        """Return a ``keras.Model`` of the Keras generation of this process.

        Args:
            input_shape: ``(height, width, channels)`` instead of the model's own.
            classes: instead of the model's own.
            include_top: False omits the classifier and the pooling before it.
            weights: ``'imagenet'``, or a file that Keras can load weights from. A ``.keras``
                file comes with its own; everything else is initialised at random. With a head,
                they are those of the whole network or, like ImageNet's, of the backbone.

        Raises:
            UserError: a size below `min_size`, arguments that the builder does not take, or a
                Keras that does not run on TensorFlow.
            Unavailable: weights that are not on this machine.
        """
        request = self._request(input_shape, classes, include_top)
        if isinstance(self.factory, AssemblingFactory):
            return self.factory.assembled(request, weights)
        if weights == "imagenet":
            return self.factory.pretrained(request)
        model = self.factory.architecture(request)
        if weights is None:
            self.factory.restore(model)
        else:
            whole = None if include_top else lambda: self.architecture(input_shape=input_shape)
            weight_files.load(model, Path(weights), self.label, whole)
        return model

    def trained(self, *, weights: str | Path | None = None, classes: int | None = None) -> Any:
        """Return `build` with weights for all of it; a `UserError` refuses an untrained head."""
        if isinstance(self.factory, AssemblingFactory):
            return self.factory.trained(self._request(None, classes, True), weights)
        return self.build(weights=weights, classes=classes)

    def architecture(
        self,
        *,
        input_shape: Shape | None = None,
        classes: int | None = None,
        include_top: bool = True,
    ) -> Any:
        """Build the network with initial weights, to train or to count it.

        Inside `cnnbench.analysis.weightless` no weights are allocated.
        """
        return self.factory.architecture(self._request(input_shape, classes, include_top))

    def head_layers(self, network: Any) -> list[Any]:
        """Return those layers of a network that `build` made which belong to the head."""
        return [layer for layer in network.layers if layer.name.startswith(PREFIX)]

    def _request(
        self, input_shape: Shape | None, classes: int | None, include_top: bool
    ) -> Request:
        keras_backend.check_here()
        shape = self.input_shape if input_shape is None else tuple(input_shape)
        classes = self.classes if classes is None else classes
        self._check_size(shape)
        differs = {
            "input_shape": shape != self.input_shape,
            "classes": classes != self.classes,
            "include_top": not include_top,
        }
        changed = frozenset(name for name, is_other in differs.items() if is_other)
        return Request(self.label, shape, classes, include_top, self.parameters, changed)

    def _check_size(self, shape: Shape) -> None:
        if self.min_size and shape and min(shape[:2]) < self.min_size:
            raise UserError(
                f"{self.entry.name} cannot be built at {show(shape)}",
                hint=f"its smallest size is {self.min_size}x{self.min_size}",
            )
