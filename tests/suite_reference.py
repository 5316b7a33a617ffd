"""Tables of ``docs/suite_reference.md``: every key of a suite, from its schema and docstrings.

The page marks a table with ``<!-- keys of NAME -->`` and ``<!-- end -->``. ``python -m
tests.suite_reference`` (this file as a program) makes all of them anew.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cnnbench import schema, units
from cnnbench.data.augmentation import Augment
from cnnbench.plugins import PROBES
from cnnbench.probes.accuracy import task_options
from cnnbench.suite.question import Question
from cnnbench.suite.suite import Limits, _Top
from cnnbench.tasks.task import TASKS
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "suite_reference.md"
_BLOCK = re.compile(r"(<!-- keys of (?P<name>\w+) -->\n)(?P<table>.*?)(<!-- end -->)", re.DOTALL)
_ENTRY = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.+(?:\n {8}.+)*)", re.MULTILINE)
# Filled in when a suite is planned; not for suites.
_INTERNAL = re.compile(r"folder_|options$")
# Types of which a value is written with its unit.
_QUANTITIES: list[tuple[Any, str]] = [
    (schema.Seconds, "duration"),
    (schema.Bytes, "size"),
    (schema.Fraction, "share"),
]
_WORDS: dict[Any, str] = {int: "integer", float: "number", bool: "true or false", str: "text"}

Row = tuple[str, str, str, str]


def schemas() -> dict[str, type[BaseModel]]:
    """Return the schema of each part of a suite, by the name that marks its table."""
    probes = {name: probe.spec for name, probe in PROBES.items()}
    parts = {"suite": _Top, "limits": Limits, "question": Question}
    return {**parts, **probes, "augment": Augment}


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a schema and its bases say of its keys."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        _, _, attributes = (inspect.getdoc(base) or "").partition("Attributes:\n")
        for entry in _ENTRY.finditer(attributes) if "__doc__" in vars(base) else ():
            text = " ".join(entry["text"].split()).replace("``", "`").removesuffix(".")
            text = text.removesuffix(", or None")
            text = text[:1].upper() + text[1:]
            found |= dict.fromkeys(entry["names"].split(", "), text)
    return found


def rows(model: type[BaseModel]) -> Iterator[Row]:
    """Yield key, type, default and meaning of every key of a schema."""
    said = meanings(model)
    hints = typing.get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        if not _INTERNAL.match(name):
            yield name, _kind(hints[name]), _default(hints[name], field), said.get(name, "")


def option_rows() -> Iterator[Row]:
    """Yield the options that only some tasks have; the tasks stand before the meaning."""
    found: dict[str, tuple[list[str], Row]] = {}
    for task in TASKS.values():
        for row in rows(task.options):
            found.setdefault(row[0], ([], row))[0].append(task.name)
        target = task_options.target_name(task)
        meaning = f"Measure the time until `{task.watched}` of the validation images reaches this"
        row = (target, "share", "", meaning)
        found.setdefault(target, ([], row))[0].append(task.name)
    for tasks, (name, kind, default, meaning) in found.values():
        yield name, kind, default, f"{', '.join(f'`{task}`' for task in tasks)}: {meaning}"


def table(name: str) -> str:
    """Return the Markdown table of a part of a suite."""
    found = list(option_rows() if name == "options" else rows(schemas()[name]))
    if name not in ("suite", "limits", "augment", "options"):
        found = [row for row in found if row[0] != "models"]  # is the same for all probes
    lines = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for key, *cells in found:
        written = " | ".join(cell.replace("|", "\\|") for cell in (f"`{key}`", *cells))
        lines.append(f"| {written} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def page(old: str) -> str:
    """Return the page with its tables made anew."""
    return _BLOCK.sub(lambda found: found[1] + table(found["name"]) + found[4], old)


def _kind(hint: Any) -> str:
    """Return a type in words: ``list of integer ≥ 1``."""
    for quantity, word in _QUANTITIES:
        if hint == quantity:
            return word
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(arguments[0]) + _bounds(arguments[1:])
    if origin is Literal:
        return ", ".join(f"`{_text(value)}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(one) for one in arguments if one is not types.NoneType)
    if origin in (list, tuple):
        return f"list of {_kind(arguments[0])}"
    if origin in (dict, Mapping):
        return "mapping"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "mapping"
    return _WORDS.get(hint, "see meaning")


def _bounds(metadata: tuple[Any, ...]) -> str:
    limits = [
        one
        for each in metadata
        for one in (each.metadata if isinstance(each, FieldInfo) else [each])
    ]
    ends = {type(one): one for one in limits}
    if Ge in ends and Le in ends:
        return f" {ends[Ge].ge:g} to {ends[Le].le:g}"
    signs = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}
    found = [
        f"{sign} {getattr(one, kind.__name__.lower()):g}"
        for one in limits
        for kind, sign in signs.items()
        if isinstance(one, kind)
    ]
    return f" {', '.join(found)}" if found else ""


def _default(hint: Any, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", [], ()) or isinstance(value, Augment):
        return ""
    if isinstance(value, BaseModel):
        return "as below"
    if hint == schema.Seconds:
        return f"`{value / 60:g}min`" if value >= 60 else f"`{1000 * value:g}ms`"
    if hint == schema.Bytes:
        return f"`{units.exact_bytes(value)}`"
    if hint == schema.Fraction:
        return f"`{100 * value:g}%`"
    return f"`{_text(value)}`"


def _text(value: Any) -> str:
    """Return a value as YAML writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return str(value).lower() if isinstance(value, bool) else f"{value}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), encoding="utf-8")
