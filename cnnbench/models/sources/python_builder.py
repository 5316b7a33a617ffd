"""Models in Python files: ``package.module:builder``, ``file.py``, or a registered name.

A name in a file is a function or a class that builds the network, or a network that is made when
the file is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from cnnbench.errors import CnnbenchError, Unavailable, UserError, is_out_of_memory
from cnnbench.models import (
    candidates,
    locate,
    preprocessing,
    registered,
    signature,
    source_files,
    user_errors,
)
from cnnbench.models.catalog import Entry
from cnnbench.models.locate import Location
from cnnbench.models.model import Model, Request
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import Signature
from cnnbench.named import show

_ADDRESS = "://"  # left to the sources of other packages: hub://owner/name
_PYTHON = ".py"


class _PythonBuilders:
    """``package.module:builder``, ``file.py:builder``, ``file.py``, and registered names."""

    def matches(self, name: str, search_path: Sequence[Path]) -> bool:
        if _is_place(name):
            return _ADDRESS not in name
        return registered.find(name, search_path) is not None

    def resolve(self, written: ModelName, search_path: Sequence[Path]) -> Model:
        found = None if _is_place(written.name) else registered.find(written.name, search_path)
        if found is None:
            return _model(written, written.name, search_path)
        label, where = found
        if registered.is_local(label):  # so that a worker can resolve it
            written = replace(written, text=written.text.replace(written.name, where, 1))
        return _model(written, where, search_path, label)


def _is_place(name: str) -> bool:
    """Return whether a name has the form of a place in Python source."""
    return ":" in name or name.endswith(_PYTHON)


def _model(
    written: ModelName, where: str, search_path: Sequence[Path], label: str | None = None
) -> Model:
    module, _, function = (where, "", "") if where.endswith(_PYTHON) else where.rpartition(":")
    location = locate.module(module, search_path)
    function = function or candidates.only(location.file, where)
    taken = signature.read(location.file, function)
    if candidates.is_assigned(location.file, function):
        taken = Signature()  # what is made already takes no arguments
    factory = Builder(location, function, taken, hashed=True)
    if not taken.takes("input_shape"):  # then the network is called on it, not its builder
        taken = replace(taken, defaults={**taken.defaults, "input_shape": None})
    name = label or taken.registered or f"{location.module}:{function}"
    shape, classes = taken.defaults.get("input_shape"), taken.defaults.get("classes")
    known = isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)
    entry = Entry.of_user(
        name,
        f"{module}:{function}",
        shape if known and isinstance(shape, tuple) else (),
        classes if isinstance(classes, int) else 0,
    )
    return Model.from_name(written, entry, taken, factory)


@dataclass(frozen=True)
class Builder:
    """Build a network with a function, a class or a network in a module.

    Attributes:
        location: the module.
        name: the function, class or network.
        signature: its parameters, read from its source.
        hashed: the source is part of the model's identity (true for a user's builder).
    """

    location: Location
    name: str
    signature: Signature
    hashed: bool

    is_trained: ClassVar[bool] = False

    def takes(self, argument: str) -> bool:
        return self.signature.takes(argument)

    def architecture(self, request: Request) -> Any:
        is_first = not self.location.is_loaded
        builder: Any = getattr(self.location.load(), self.name, None)
        if _is_network(builder):
            self._check_unchanged(request)
            made = builder if is_first else self._made_again(builder)
        else:
            _assert_builds(builder, self.name, user_errors.shown(self.location.file))
            arguments = self._arguments(request)
            try:
                made = builder(**arguments)
            except CnnbenchError:
                raise
            except (Exception, SystemExit) as error:  # a user's code can raise anything
                if is_out_of_memory(error):
                    raise
                own = self.location.folders if self.hashed else ()
                raise request.refused(error, user_errors.place(error, own)) from error
        return _with_known_shapes(made, request)

    def pretrained(self, request: Request) -> Any:
        raise Unavailable(f"there are no ImageNet weights for {request.label}; give a weights file")

    def restore(self, model: Any) -> None:
        """Do nothing: the network keeps its initial weights."""

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        """Apply ``preprocess_input(images)`` of the module if it has one, else scale to 0..1."""
        own = getattr(self.location.load(), "preprocess_input", preprocessing.unit)
        return own(images)

    def fingerprint(self) -> Mapping[str, str]:
        if not self.hashed:
            return {}
        return {"source_sha256": source_files.sha256(self.location.file, *self.location.folders)}

    def _check_unchanged(self, request: Request) -> None:
        """Refuse another input shape, classes or parameters of a network that exists."""
        for other in sorted({*request.changed, *request.parameters}):
            raise UserError(
                f"{request.label} cannot be built with another {other}: it is made when the file "
                "is imported",
                user_errors.shown(self.location.file),
                f"write a function with a parameter '{other}' that returns it",
            )

    def _made_again(self, made: Any) -> Any:
        """Return a network like one that another part of this process has, by running the file."""
        again: Any = getattr(self.location.run(), self.name, None)
        if again is not made:
            return again
        origin = candidates.origin(self.location.file, self.name)
        raise UserError(
            f"'{self.name}' is made in another file",
            user_errors.shown(self.location.file),
            f"name the file that makes it: {origin}" if origin else "name the file that makes it",
        )

    def _arguments(self, request: Request) -> dict[str, Any]:
        refused = sorted(name for name in request.changed if not self.takes(name))
        if refused:
            raise UserError(
                f"{request.label} cannot be built with another {refused[0]}",
                user_errors.shown(self.location.file),
                f"give '{self.name}' a parameter '{refused[0]}'",
            )
        known = {"input_shape": request.input_shape, "classes": request.classes}
        arguments = dict(request.parameters)
        arguments |= {k: v for k, v in known.items() if v and k in self.signature.accepts}
        arguments |= {k: v for k, v in known.items() if v and k in request.changed}
        if not request.include_top:
            arguments["include_top"] = False
        return arguments


def _is_network(value: Any) -> bool:
    import tensorflow as tf

    return isinstance(value, tf.keras.Model)


def _assert_builds(builder: Any, name: str, file: str) -> None:
    """Refuse what is no function; a layer is callable, but with images."""
    import tensorflow as tf

    if isinstance(builder, tf.keras.layers.Layer):
        raise UserError(
            f"'{name}' is a layer, {type(builder).__name__}, not a model",
            file,
            "wrap it: keras.Sequential([keras.Input(...), layer])",
        )
    if (error := _other_keras(builder, name, file)) is not None:
        raise error
    if not callable(builder):
        raise UserError(f"'{name}' cannot be called", file)


def _other_keras(model: Any, name: str, where: str = "") -> UserError | None:
    """Return the error for a network of another Keras than that of this process, or None."""
    generations = {"keras": "Keras 3", "tf_keras": "Keras 2 (tf_keras)"}
    bases = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(model).__mro__}
    found = [words for module, words in generations.items() if (module, "Model") in bases]
    if not found or _is_network(model):
        return None
    return UserError(
        f"{name} is a network of {found[0]}, not of the Keras that TensorFlow uses",
        where,
        "write 'from tensorflow import keras' in its file",
    )


def _with_known_shapes(model: Any, request: Request) -> Any:
    """Return ``model`` with weights: a subclassed or unbuilt one is called on its input once."""
    import tensorflow as tf

    if not _is_network(model):
        raise _other_keras(model, request.label) or UserError(
            f"{request.label} returned {type(model).__name__}, not a keras.Model",
            hint="the builder must return the model",
        )
    if getattr(model, "inputs", None):
        return _check_input(model, request)
    if not request.input_shape:
        known = _called_with(model)
        if known is not None:
            return tf.keras.Model(known, model(known), name=model.name)
        raise UserError(
            f"the input of {request.label} is not known",
            hint="start the model with keras.Input, or add [input_shape=HxWxC] to its name",
        )
    inputs = tf.keras.Input(request.input_shape)
    return tf.keras.Model(inputs, model(inputs), name=model.name)


def _called_with(model: Any) -> Any:
    """Return inputs like those that a subclassed model was built or called with; or None."""
    import tensorflow as tf

    given = getattr(model, "_build_shapes_dict", None) or {}
    shapes = list(given.values()) or [getattr(model, "_build_input_shape", None)]
    if len(shapes) > 1 or shapes[0] is None:
        return None

    def inputs(shape: Any) -> Any:
        if isinstance(shape, dict):
            return {name: inputs(each) for name, each in shape.items()}
        if all(size is None or isinstance(size, int) for size in shape):
            return tf.keras.Input(tuple(shape)[1:])
        return [inputs(each) for each in shape]

    return inputs(shapes[0])


def _check_input(model: Any, request: Request) -> Any:
    """Return ``model``, or raise if its input is not the requested shape."""
    shapes = [tuple(given.shape[1:]) for given in model.inputs]
    asked = request.input_shape
    if asked and not any(_fits(asked, shape) for shape in shapes):
        raise UserError(
            f"{request.label} has the input {' and '.join(map(show, shapes))}, not {show(asked)}",
            hint="give the builder a parameter 'input_shape'",
        )
    return model


def _fits(asked: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(asked) == len(shape) and all(
        size in (None, wanted) for wanted, size in zip(asked, shape, strict=True)
    )


SOURCE = _PythonBuilders()
