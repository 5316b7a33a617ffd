"""Resolve model names, and list the models that are known by name.

Nothing here imports TensorFlow, Keras or a user's module: builders are checked by their source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cnnbench.errors import UserError, nearest, nearest_or_all, plain
from cnnbench.files import check_path
from cnnbench.models import headed, model_name, registered, sweep
from cnnbench.models.arguments import OF_WHOLE
from cnnbench.models.catalog import ENTRIES, Entry
from cnnbench.models.heads import HEADS, Head
from cnnbench.models.model import Model
from cnnbench.models.model_name import ModelName
from cnnbench.models.registered import register
from cnnbench.models.sources import SOURCES

__all__ = ["entries", "heads", "names", "register", "resolve"]

_SAVED_MODEL = "saved_model.pb"
_TRACKING = "tracking"
_OTHER_FORMATS = (".h5", ".hdf5", ".pb", ".onnx", ".pt", ".pth")


def resolve(text: str, search_path: Sequence[Path] = ()) -> Model:
    """Return the model that ``text`` names, without building it.

    ``text`` is a name of the catalogue (case, ``_`` and ``-`` are ignored), a name given by
    ``@cnnbench.register`` in a Python file of ``search_path`` or by an entry point,
    ``package.module:builder``, ``file.py:builder``, ``file.py``, a ``.keras`` or ``.tflite`` file,
    or a form that an installed `ModelSource` adds; parameters follow in brackets. A head may
    follow: ``+box[classes=10]``.

    Raises:
        UserError: no such model or head (the nearest is given), parameters that it does not take,
            a backbone that cannot have the head, or a sweep of several models.
    """
    written = model_name.parse(sweep.only(text))
    if written.head is None:
        return _resolve(written, search_path)
    return headed.resolve(written, lambda backbone: _resolve(backbone, search_path))


def _resolve(written: ModelName, search_path: Sequence[Path]) -> Model:
    """Return the model of a source; a head is left to the caller."""
    for source in SOURCES.values():
        if source.matches(written.name, search_path):
            return source.resolve(written, search_path)
    raise UserError(f"unknown model '{written.name}'", hint=_hint(written.name, search_path))


def _hint(name: str, search_path: Sequence[Path]) -> str:
    """Return what the user of an unknown name can do."""
    if any(check_path((root / name / _SAVED_MODEL).is_file) for root in (*search_path, Path.cwd())):
        return "a SavedModel is a graph without layers: save it with model.save('net.keras')"
    if name.removeprefix("+") in HEADS:
        return f"a head needs a backbone: MobileNetV2+{name.removeprefix('+')}"
    if name.endswith(_OTHER_FORMATS):
        return "only .keras and .tflite files can be read: save it with model.save('net.keras')"
    known = [*ENTRIES, *registered.builders(search_path)]
    return nearest(name, known) or "`cnnbench models` lists them"


def names() -> list[str]:
    """Return every name of the catalogue, then those that installed packages register."""
    return [*ENTRIES, *(name for name in registered.installed() if name not in ENTRIES)]


def entries(
    family: str | None = None, task: str | None = None, part: str | None = None
) -> list[Entry]:
    """Return the entries of `names`; in comparisons case, ``_`` and ``-`` are ignored.

    Args:
        family: only this family.
        task: only models for this task; ``tracking`` lists those that find boxes, which any tracker
            follows.
        part: only names that contain this text.

    Raises:
        UserError: no such family or task, or no name that contains ``part``, not even of a head.
    """
    found = [_entry(name) for name in names()]
    if family is not None:
        families = [entry.family for entry in found]
        _check(family, families, "family", "--family")
        found = [entry for entry in found if plain(entry.family) == plain(family)]
    if task is not None:
        known = [entry.task for entry in found] + [head.task for head in HEADS.values()]
        _check(task, [*known, _TRACKING], "task", "--task")
        found = [entry for entry in found if plain(entry.task) in _serving(task)]
    if part is not None:
        found = [entry for entry in found if plain(part) in plain(entry.name)]
        if not found and not heads(part=part):
            hint = nearest(part, [*names(), *HEADS]) or "omit the name to list all"
            raise UserError(f"no architecture has '{part}' in its name", hint=hint)
    return found


def heads(task: str | None = None, part: str | None = None) -> dict[str, Head]:
    """Return the heads by name: those for a task, or whose name contains ``part``."""
    return {
        name: head
        for name, head in HEADS.items()
        if (task is None or plain(head.task) in _serving(task))
        and (part is None or plain(part).removeprefix("+") in plain(name))
    }


def _serving(task: str) -> set[str]:
    """Return the tasks, in plain letters, of the heads and models that serve ``task``."""
    with_boxes = ("detection", "instance_segmentation")
    return {plain(one) for one in (with_boxes if plain(task) == _TRACKING else (task,))}


def _check(wanted: str, valid: Sequence[str], kind: str, where: str) -> None:
    if plain(wanted) not in map(plain, valid):
        raise UserError(f"unknown {kind} '{wanted}'", where, nearest_or_all(wanted, valid))


def _entry(name: str) -> Entry:
    if name in ENTRIES:
        return ENTRIES[name]
    try:
        model = resolve(name)
        takes = tuple(parameter for parameter in model.defaults if parameter not in OF_WHOLE)
        return replace(model.entry, name=name, takes=takes)
    except UserError:  # a broken package must not hide the others; using the model reports it
        return Entry.of_user(name, registered.installed()[name])
