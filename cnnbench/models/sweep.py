"""Sweeps: several model names written as one, like the brace expansion of a shell.

``MobileNetV2[alpha={0.35,0.5}]``, ``EfficientNetLite{0..4}``, ``BasicCNN+{yolo,ssdlite}``, and the
mapping ``{grid: MobileNetV2, alpha: [0.35, 0.5], input_shape: [96, 128]}`` of a suite.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeAlias

from cnnbench import named
from cnnbench.errors import UserError, nearest, shown
from cnnbench.models import model_name

MOST = 1000
"""The most models that one sweep, or all sweeps of a suite, may name."""
GRID = "grid"
"""The key that makes a mapping a grid; its value is the name that the parameters are added to."""

_MAX_LENGTH = 4000
_DEEPEST = 20
# Quotes have a meaning in brackets only: a file may be called it's.keras.
_IN_BRACKETS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\[\]{},'"]+|.""", re.DOTALL)
_OUTSIDE = re.compile(r"[^\[\]{},]+|.", re.DOTALL)
_RANGE = re.compile(r"([+-]?\d{1,9})\.\.([+-]?\d{1,9})(?:\.\.(\d{1,9}))?")
_LIKE_A_RANGE = re.compile(r"[+-]?[\w.]*\w\.\.[+-]?\w[\w.]*")

# Text, a range of numbers, or alternatives, each of which is a sequence of parts again.
_Part: TypeAlias = "str | range | tuple[_Parts, ...]"
_Parts: TypeAlias = tuple[_Part, ...]


def expand(text: str) -> list[str]:
    """Return the names that ``text`` stands for, the last braces changing fastest.

    ``{a,b}`` is one of several texts, which may have braces themselves; ``{0..4}`` and
    ``{96..224..32}`` are whole numbers, the last one included. Braces between quotes are text, and
    so are those outside brackets that offer no choice. Text without braces is returned as it is.

    Raises:
        UserError: an unbalanced brace, a range that is none, or more than `MOST` names.

    Example:
        >>> expand("Net[alpha={0.5,1.0}]+{box,yolo}")[:2]
        ['Net[alpha=0.5]+box', 'Net[alpha=0.5]+yolo']
    """
    if "{" not in text and "}" not in text:
        return [text]
    if len(text) > _MAX_LENGTH:
        raise UserError(f"'{text[:40]}...' is too long for a sweep ({_MAX_LENGTH} characters)")
    parts = _Reader(text).read()
    _check_count(_count(parts), f"'{text}'")
    return list(_texts(parts))


def only(text: str) -> str:
    """Return the one name that ``text`` stands for.

    Raises:
        UserError: it is a sweep of several, or not well-formed.
    """
    found = expand(text)
    if len(found) > 1:
        what = f"'{text}' is a sweep of {len(found)} models, where one is expected"
        raise UserError(what, hint=f"name one of them, for example {found[0]}")
    return found[0]


def of_grid(grid: Mapping[Any, Any]) -> list[str]:
    """Return the names in the mapping ``{grid: NAME, parameter: values, ...}``.

    The parameters are added to the last brackets of the name, which may be a sweep, or a list of
    names. A value is a list of alternatives or a single one; texts are read as in brackets
    (``96x96``), and a list in the list is a shape.

    Raises:
        UserError: no name, a value that no parameter can have, or more than `MOST` names.
    """
    if GRID not in grid:
        what = f"{shown(dict(grid))} is a mapping without '{GRID}'"
        meant = (nearest(str(key), [GRID]) for key in grid)
        raise UserError(what, hint=next(filter(None, meant), _ADVICE))
    written = grid[GRID] if isinstance(grid[GRID], list) else [grid[GRID]]
    if not written or not all(isinstance(text, str) for text in written):
        hint = "write for example {grid: MobileNetV2, alpha: [0.35, 0.5]}"
        raise UserError(f"{GRID}: {shown(grid[GRID])} should be the name of a model", hint=hint)
    names = [name for text in written for name in expand(text)]
    values = {str(key): _values(str(key), grid[key]) for key in grid if key != GRID}
    _check_count(len(names) * math.prod(map(len, values.values())), f"the grid of {written[0]}")
    return [
        _with_parameters(name, dict(zip(values, chosen, strict=True)))
        for name in names
        for chosen in product(*values.values())
    ]


_ADVICE = (
    "a model is a name, or a grid as {grid: MobileNetV2, alpha: [0.35, 0.5]}; "
    "put names with braces or brackets between quotes"
)


def _check_count(count: int, which: str) -> None:
    if count > MOST:
        hint = "name fewer values, or split the suite"
        raise UserError(f"{which} has {count:,} combinations, more than {MOST:,}", hint=hint)


class _Reader:
    """Reads a text with braces into parts."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._brackets = 0

    def read(self) -> _Parts:
        """Return the whole text."""
        parts = self._parts(0)
        if self._at < len(self._tokens):
            raise self._error("has a '}' without a '{' before it")
        return parts

    def _parts(self, depth: int) -> _Parts:
        """Read until the end, or in braces until the comma or brace that ends an alternative."""
        if depth > _DEEPEST:
            raise self._error("has too many braces in one another")
        outside = self._brackets
        found: list[_Part] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token == "}" or (token == "," and depth and self._brackets == outside):
                return tuple(found)
            if token == "]" and depth and self._brackets == outside:
                raise self._error("has a ']' before the '}' that closes its braces")
            self._at += 1
            self._brackets += (token == "[") - (token == "]")
            if token == "{":
                found.extend(self._choice(depth))
            else:
                found.append(token)
        return tuple(found)

    def _choice(self, depth: int) -> _Parts:
        """Read the alternatives behind a ``{``, and the ``}`` that ends them."""
        brackets = self._brackets
        alternatives = [self._parts(depth + 1)]
        while self._at < len(self._tokens) and self._tokens[self._at] == ",":
            self._at += 1
            alternatives.append(self._parts(depth + 1))
        if self._at == len(self._tokens):
            raise self._error("has a '{' without its '}'")
        if self._brackets != brackets:
            raise self._error("has a '[' without its ']' between braces")
        self._at += 1
        choice = tuple(map(self._ranged, alternatives))
        if choice == ((),) and brackets > 0:
            raise self._error("has empty braces")
        if len(choice) > 1 or brackets > 0 or _is_range(choice[0]):
            return (choice,)
        return ("{", *choice[0], "}")

    def _ranged(self, parts: _Parts) -> _Parts:
        """Return an alternative, as a range if it is one."""
        text = "".join(part for part in parts if isinstance(part, str)).strip()
        if len(parts) != 1 or not _LIKE_A_RANGE.fullmatch(text):
            return parts
        match = _RANGE.fullmatch(text)
        step = int(match[3] or 1) if match else 0
        if not match or not step:
            hint = "write for example {0..4} or {96..224..32}, and list other values: {0.35,0.5}"
            raise UserError(f"'{text}' in '{self._text}' is not a range of whole numbers", "", hint)
        first, last = int(match[1]), int(match[2])
        is_up = first <= last
        return (range(first, last + (1 if is_up else -1), step if is_up else -step),)

    def _error(self, what: str) -> UserError:
        return UserError(f"'{self._text}' {what}", hint="for example 'Net[alpha={0.35,0.5}]'")


def _tokens(text: str) -> Iterator[str]:
    """Yield brackets, braces and commas one by one, and the text between them."""
    at = brackets = 0
    while match := (_IN_BRACKETS if brackets > 0 else _OUTSIDE).match(text, at):
        yield match[0]
        at = match.end()
        brackets += (match[0] == "[") - (match[0] == "]")


def _is_range(parts: _Parts) -> bool:
    return len(parts) == 1 and isinstance(parts[0], range)


def _count(parts: _Parts) -> int:
    """Return the number of texts that `_texts` yields."""
    return math.prod(
        len(part) if isinstance(part, range) else sum(map(_count, part))
        for part in parts
        if not isinstance(part, str)
    )


def _texts(parts: _Parts) -> Iterator[str]:
    return map("".join, product(*map(_of_part, parts)))


def _of_part(part: _Part) -> Sequence[str]:
    if isinstance(part, str):
        return [part]
    if isinstance(part, range):
        return [str(number) for number in part]
    return [text.strip() for parts in part for text in _texts(parts)]


def _with_parameters(text: str, added: Mapping[str, named.Value]) -> str:
    """Return a model's name with more parameters in its last brackets."""
    name = model_name.parse(text)
    last = name.head or named.Named(name.name, name.parameters)
    for key in added:
        if key in dict(last.parameters):
            raise UserError(f"'{key}' is given in '{text}' and as a key of its grid")
    parameters = (*last.parameters, *added.items())
    if name.head is None:
        return str(replace(name, parameters=parameters))
    return str(replace(name, head=replace(name.head, parameters=parameters)))


def _values(key: str, values: Any) -> list[named.Value]:
    if not key.isidentifier():
        hint = "put names with braces or brackets between quotes"
        raise UserError(f"{shown(key)} is not the name of a parameter", hint=hint)
    if isinstance(values, list) and not values:
        raise UserError(f"{key}: [] should have at least 1 value")
    return [_value(key, one) for one in (values if isinstance(values, list) else [values])]


def _value(key: str, value: Any) -> named.Value:
    if isinstance(value, list) and value and all(type(size) is int for size in value):
        return tuple(value)
    if isinstance(value, str):
        try:
            return named.read(value)
        except UserError:
            return value
    if value is None or isinstance(value, int | float):
        return value
    raise UserError(f"{key}: {shown(value)} is not a value", hint="write a number or a text")
