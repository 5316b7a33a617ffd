"""A model: the facts about it, the parameters asked for, and the factory that builds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from cnnbench.environment import keras_backend
from cnnbench.errors import UserError, brief, explained
from cnnbench.models import weights as weight_files
from cnnbench.models.arguments import choose
from cnnbench.models.catalog import Entry
from cnnbench.models.model_name import ModelName, show
from cnnbench.models.signature import Signature

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """What a factory is asked to build.

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

    def refused(self, error: Exception) -> UserError:
        """Return a builder's objection in one line."""
        # Of other kinds the words alone say little.
        is_plain = isinstance(error, ValueError | TypeError) and str(error)
        words = brief(error) if is_plain else explained(error)
        return UserError(f"{self.label} cannot be built: {words}")


class NetworkFactory(Protocol):
    """Builds the network of one model; each `ModelSource` has its own kind."""

    @property
    def is_trained(self) -> bool:
        """Whether the network comes with weights of its own."""

    def takes(self, argument: str) -> bool:
        """Whether it can be built with another ``input_shape``, ``classes`` or ``include_top``."""

    def architecture(self, request: Request) -> Any:
        """The ``keras.Model``, its weights as initialised."""

    def pretrained(self, request: Request) -> Any:
        """The ``keras.Model`` with its ImageNet weights, or `Unavailable`."""

    def restore(self, model: Any) -> None:
        """Give ``model`` the weights that it comes with, if it comes with any."""

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        """Map float32 images in 0..255 to what the network was made for."""

    def fingerprint(self) -> Mapping[str, str]:
        """What of its source decides a result and is not in its name and parameters."""


@dataclass(frozen=True)
class Model:
    """A model as `registry.resolve` returns it: light until `build`.

    Attributes:
        text: as asked for; another process resolves it again from this.
        entry: what is known of the network at its defaults.
        defaults: every parameter of the builder but ``input_shape`` and ``classes``.
        parameters: those that were asked for and differ from their default.
        input_shape: without the batch axis; () where only building tells.
        classes: 0 where only building tells.
        factory: builds it.
        stated: those of ``input_shape`` and ``classes`` that were asked for by name.
        output: the path of the output that says the class; None takes the first.
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

        Args:
            written: the name with the parameters in its brackets.
            entry: the facts about the model at its defaults.
            signature: the parameters that it takes.
            factory: builds it.

        Raises:
            UserError: a parameter that it does not take, or a value of the wrong type.
        """
        chosen = choose(written, entry, signature)
        return cls(
            text=written.text,
            entry=entry,
            defaults=chosen.defaults,
            parameters=chosen.parameters,
            input_shape=chosen.input_shape,
            classes=chosen.classes,
            factory=factory,
            stated=frozenset(dict(written.parameters)) & {"input_shape", "classes"},
            output=chosen.output,
        )

    @property
    def label(self) -> str:
        """The canonical name: parameters at their default left out, the others in order."""
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
        """Names among ``input_shape`` and ``classes`` whose values are fixed.

        A network whose top can be left out can be given one for other classes.
        """
        takes = self.factory.takes
        can_change = {
            "input_shape": takes("input_shape"),
            "classes": takes("classes") or takes("include_top"),
        }
        return frozenset(name for name, can in can_change.items() if not can)

    @property
    def task(self) -> str:
        """What the model is for: ``classification``."""
        return self.entry.task

    @property
    def is_trained(self) -> bool:
        """Whether it comes with weights of its own, as one in a file."""
        return self.factory.is_trained

    @property
    def min_size(self) -> int | None:
        """The smallest height and width it can be built at, or None where unknown."""
        return self.entry.min_size

    def identity(self) -> dict[str, Any]:
        """Everything of the model that decides a result, as JSON."""
        parameters = {**self.defaults, **self.parameters}
        judged = {} if self.output is None else {"output": self.output}
        return {
            "name": self.entry.name,
            "parameters": {name: _plain(parameters[name]) for name in sorted(parameters)},
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            **judged,
            **self.factory.fingerprint(),
        }

    def published(self) -> Mapping[str, float]:
        """The ``published_*`` metrics of this very network; nothing where it was changed."""
        return self.entry.published if self.label == self.entry.name else {}

    def preprocess(self, images: Any) -> Any:
        """Map float32 images in 0..255, ``(n, h, w, c)``, to what the network was made for."""
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
            include_top: False leaves the classifier and the pooling before it away.
            weights: ``'imagenet'``, or a file that Keras can load weights from. A ``.keras``
                file comes with its own; everything else is initialised at random.

        Raises:
            UserError: a size below `min_size`, arguments that the builder does not take, or a
                Keras that does not run on TensorFlow.
            Unavailable: weights that are not on this machine.
        """
        request = self._request(input_shape, classes, include_top)
        if weights == "imagenet":
            return self.factory.pretrained(request)
        model = self.factory.architecture(request)
        if weights is None:
            self.factory.restore(model)
        else:
            whole = None if include_top else lambda: self.architecture(input_shape=input_shape)
            weight_files.load(model, Path(weights), self.label, whole)
        return model

    def architecture(
        self,
        *,
        input_shape: Shape | None = None,
        classes: int | None = None,
        include_top: bool = True,
    ) -> Any:
        """`build` with no weights but those that its initialisers draw: to train, or to count.

        Inside `cnnbench.analysis.weightless` these draw nothing either.
        """
        return self.factory.architecture(self._request(input_shape, classes, include_top))

    def _request(
        self, input_shape: Shape | None, classes: int | None, include_top: bool
    ) -> Request:
        keras_backend.check_here()
        shape = self.input_shape if input_shape is None else tuple(input_shape)
        classes = self.classes if classes is None else classes
        self._check_size(shape)
        return Request(
            label=self.label,
            input_shape=shape,
            classes=classes,
            include_top=include_top,
            parameters=self.parameters,
            changed=frozenset(
                name
                for name, differs in (
                    ("input_shape", shape != self.input_shape),
                    ("classes", classes != self.classes),
                    ("include_top", not include_top),
                )
                if differs
            ),
        )

    def _check_size(self, shape: Shape) -> None:
        if self.min_size and shape and min(shape[:2]) < self.min_size:
            raise UserError(
                f"{self.entry.name} cannot be built at {show(shape)}",
                hint=f"its smallest size is {self.min_size}x{self.min_size}",
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
