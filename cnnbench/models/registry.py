"""From a name to a model: the catalogue, a user's own builders, ``.keras`` files.

Nothing here imports TensorFlow, Keras or a user's module: builders are checked by their source.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from cnnbench.errors import UserError, nearest, plain
from cnnbench.models import locate, model_name, signature
from cnnbench.models.applications import Application
from cnnbench.models.arguments import OUTPUT, choose
from cnnbench.models.builder import Builder
from cnnbench.models.catalog import ENTRIES, Entry
from cnnbench.models.keras_file import KerasFile
from cnnbench.models.locate import Location
from cnnbench.models.model import Model, ModelSource
from cnnbench.models.model_name import Reference
from cnnbench.models.signature import Signature

ENTRY_POINTS = "cnnbench.models"
"""Packages that ship architectures name them here: ``MyNet = "package.module:builder"``."""

_GRAPH = "saved_model.pb"
_F = TypeVar("_F", bound=Callable[..., Any])
_registered: dict[str, str] = {}


def resolve(text: str, search_path: Sequence[Path] = ()) -> Model:
    """The model that ``text`` names: light, nothing is built.

    ``text`` is a name of the catalogue (case, ``_`` and ``-`` do not count), a name given by
    ``@cnnbench.register`` in a Python file of ``search_path`` or by an entry point,
    ``package.module:builder``, ``file.py:builder``, or a ``.keras`` file; parameters follow in
    brackets.

    Raises:
        UserError: no such model (the nearest is given), or parameters that it does not take.
    """
    written = model_name.parse(text)
    name = written.name
    if name.endswith(".keras"):
        return _from_file(text, written, search_path)
    if ":" in name:
        return _from_module(text, written, name, search_path)
    if (known := _plain_names().get(plain(name))) is not None:
        return _from_catalogue(text, written, ENTRIES[known])
    own = _users_own(search_path)
    if (found := {plain(each): each for each in own}.get(plain(name))) is not None:
        return _from_module(text, written, own[found], search_path, label=found)
    raise UserError(f"unknown model '{name}'", hint=_meant(name, own, search_path))


def _meant(name: str, own: Iterable[str], search_path: Sequence[Path]) -> str:
    """What an unknown name may mean, in words."""
    if any(locate.seen((root / name / _GRAPH).is_file) for root in (*search_path, Path.cwd())):
        return "a SavedModel is a graph without layers: save it with model.save('net.keras')"
    if name.endswith(".py"):
        return f"say which function in it builds the network: {name}:builder"
    if name.endswith((".h5", ".hdf5", ".pb", ".tflite", ".onnx", ".pt", ".pth")):
        return "of files only .keras is read: save the network with model.save('net.keras')"
    return nearest(name, [*ENTRIES, *own]) or "`cnnbench models` lists them"


def names() -> list[str]:
    """Every name of the catalogue, and those that installed packages ship."""
    return [*ENTRIES, *(name for name in _shipped() if name not in ENTRIES)]


def entries(family: str | None = None) -> list[Entry]:
    """What `names` are of, all or of one family (case, ``_`` and ``-`` do not count).

    Raises:
        UserError: no such family.
    """
    known = [_entry(name) for name in names()]
    if family is None:
        return known
    chosen = [entry for entry in known if plain(entry.family) == plain(family)]
    if not chosen:
        families = list(dict.fromkeys(entry.family for entry in known))
        hint = nearest(family, families) or "one of: " + ", ".join(families)
        raise UserError(f"unknown family '{family}'", "--family", hint)
    return chosen


def _entry(name: str) -> Entry:
    if name in ENTRIES:
        return ENTRIES[name]
    try:
        return replace(resolve(name).entry, name=name)
    except UserError:  # whoever asks for it is told; the list stays whole
        return _user_entry(name, (), 0, _shipped()[name])


def register(builder: _F | str | None = None, *, name: str | None = None) -> Any:
    """Decorate a builder with ``@cnnbench.register`` and its name stands for it.

    In this process at once; in suites too, where the file lies beside the suite or in the working
    directory, or where a package names it as an entry point of the group ``cnnbench.models``.

    Args:
        builder: the function or class, returned as it is.
        name: instead of its own name; ``@cnnbench.register("MyNet")`` says the same.
    """
    if builder is None or isinstance(builder, str):
        return lambda function: register(function, name=builder or name)
    chosen = name or builder.__name__
    if plain(chosen) in _plain_names():
        raise UserError(f"'{chosen}' is a name of the catalogue", hint="register another name")
    file = inspect.getsourcefile(builder)
    if file is None or not Path(file).is_file():
        raise UserError(
            f"'{chosen}' is defined in no file, so no other process could build it",
            hint="put the builder into a module",
        )
    _registered[chosen] = f"{Path(file).resolve()}:{builder.__name__}"
    return builder


def _from_catalogue(text: str, written: Reference, entry: Entry) -> Model:
    module, _, function = entry.builder.partition(":")
    maker: ModelSource
    if entry.source == "keras.applications":
        maker = Application(module.rpartition(".")[2], function)
        taken = signature.read(maker.source_file(), function)
    else:
        location = _own_location(module)
        taken = signature.read(location.file, function)
        maker = Builder(location, function, taken, hashed=False)
    return _model(text, written, entry, taken, maker)


def _from_module(
    text: str,
    written: Reference,
    where: str,
    search_path: Sequence[Path],
    label: str | None = None,
) -> Model:
    module, _, function = where.rpartition(":")
    location = locate.module(module, search_path)
    taken = signature.read(location.file, function)
    maker = Builder(location, function, taken, hashed=True)
    if not taken.takes("input_shape"):  # then it is told to the network, not to its builder
        taken = replace(taken, defaults={**taken.defaults, "input_shape": None})
    name = label or taken.registered or f"{location.module}:{function}"
    shape, classes = taken.defaults.get("input_shape"), taken.defaults.get("classes")
    known = isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)
    entry = _user_entry(
        name,
        shape if known and isinstance(shape, tuple) else (),
        classes if isinstance(classes, int) else 0,
        where,
    )
    # A worker resolves the text again, and only this process knows the names registered in it.
    again = text if label not in _registered else text.replace(written.name, where, 1)
    return _model(again, written, entry, taken, maker)


def _from_file(text: str, written: Reference, search_path: Sequence[Path]) -> Model:
    file = KerasFile(locate.file(written.name, search_path))
    classes = file.classes(dict(written.parameters).get(OUTPUT))
    entry = _user_entry(file.file.name, file.input_shape, classes, str(file.file))
    return _model(text, written, entry, Signature(), file)


def _model(
    text: str, written: Reference, entry: Entry, taken: Signature, maker: ModelSource
) -> Model:
    chosen = choose(written, entry, taken)
    return Model(
        text=text,
        entry=entry,
        defaults=chosen.defaults,
        parameters=chosen.parameters,
        input_shape=chosen.input_shape,
        classes=chosen.classes,
        maker=maker,
        stated=frozenset(dict(written.parameters)) & {"input_shape", "classes"},
        output=chosen.output,
    )


def _user_entry(name: str, input_shape: tuple[int, ...], classes: int, builder: str) -> Entry:
    return Entry(name, "user", None, "", input_shape, None, None, "user", builder, classes)


def _users_own(search_path: Sequence[Path]) -> Mapping[str, str]:
    """Name -> where its builder is: registered here, beside the suite, by installed packages."""
    beside = locate.registered(search_path or (Path.cwd(),))
    return {
        **_shipped(),
        **{name: f"{file}:{builder}" for name, (file, builder) in beside.items()},
        **_registered,
    }


@cache
def _shipped() -> Mapping[str, str]:
    return {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINTS)}


@cache
def _plain_names() -> Mapping[str, str]:
    return {plain(name): name for name in ENTRIES}


def _own_location(module: str) -> Location:
    package = Path(__file__).parents[1]
    file = package.parent.joinpath(*module.split(".")).with_suffix(".py")
    return Location(package.parent, module, file)
