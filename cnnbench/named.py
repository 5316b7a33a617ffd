"""Names with parameters as text, read and written: ``MobileNetV2[alpha=0.5]``."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass

from cnnbench.errors import UserError
from cnnbench.text import shape_text

Value = int | float | bool | str | tuple[int, ...] | None

_WHOLE = re.compile(r"(?P<name>[^\[\]]+)(?:\[(?P<parameters>.*)\])?", re.DOTALL)
_KEY = re.compile(r"[A-Za-z_]\w*")
_SHAPE = re.compile(r"\d+x\d+(?:x\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?")
_WORDS: dict[str, Value] = {"true": True, "false": False, "none": None}
# Braces are those of a sweep, which is expanded before a name is read.
_BARE = re.compile(r"[^\s,=\[\]{}'\"\\](?:[^,=\[\]{}'\"\\]*[^\s,=\[\]{}'\"\\])?")
_PART = re.compile(r"""(?:[^,'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)
_MAX_LENGTH = 1000
_SYNTAX = "write Name or Name[parameter=value,...]"


@dataclass(frozen=True)
class Named:
    """A name with parameters, as written.

    Attributes:
        name: what precedes the brackets.
        parameters: pairs of name and value, in alphabetical order. Values are integers, floats,
            booleans, None, strings, and shapes (``128x128x3`` is ``(128, 128, 3)``).
    """

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(sorted(self.parameters)))

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name}[{','.join(f'{key}={show(value)}' for key, value in self.parameters)}]"


def parse(text: str, kind: str = "model", example: str = "MobileNetV2[alpha=0.5]") -> Named:
    """Read ``Name`` or ``Name[alpha=0.5,input_shape=128x128x3]``.

    Args:
        text: what was written.
        kind: of thing that is named, for messages.
        example: of such a name, for messages.

    Raises:
        UserError: an unbalanced bracket, a parameter without a value, or one that is given twice.
    """
    syntax = f"{_SYNTAX}, for example {example}"
    if len(text) > _MAX_LENGTH:
        raise UserError(f"'{text[:40]}...' is too long for a {kind} ({_MAX_LENGTH} characters)")
    match = _WHOLE.fullmatch(text.strip())
    if not match or not match["name"].strip():
        raise UserError(f"'{text}' is not the name of a {kind}", hint=syntax)
    parameters: dict[str, Value] = {}
    for part in _parts(match["parameters"], text, syntax):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or not _KEY.fullmatch(key):
            raise UserError(f"'{part.strip()}' in '{text}' is not parameter=value", hint=syntax)
        if key in parameters:
            raise UserError(f"the parameter '{key}' is given twice in '{text}'")
        parameters[key] = read(value)
    return Named(match["name"].strip(), tuple(parameters.items()))


def read(text: str) -> Value:
    """Read one value: ``3``, ``0.5``, ``true``, ``none``, ``128x128x3``, ``swish``, ``'a, b'``."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _SHAPE.fullmatch(text):
        return tuple(_integer(size) for size in text.split("x"))
    if text[:1] in ("'", '"'):
        return _unquoted(text)
    if not _BARE.fullmatch(text):
        raise UserError(f"the value {text} needs quotes", hint=_SYNTAX)
    return text


def show(value: Value) -> str:
    """Write a value so that `read` returns the same value; a shape as ``224x224x3``."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return shape_text(value)
    if isinstance(value, str):
        return value if _reads_as_itself(value) else repr(value)
    return repr(value)


def _reads_as_itself(text: str) -> bool:
    try:
        return bool(_BARE.fullmatch(text)) and read(text) == text
    except UserError:  # a number that is too long
        return False


def _parts(parameters: str | None, text: str, syntax: str) -> list[str]:
    """Split the text between the brackets at its commas, except those in quotes."""
    if parameters is None:
        return []
    parts = _PART.findall(parameters)
    if ",".join(parts) != parameters:
        raise UserError(f"'{text}' has an empty or unfinished parameter", hint=syntax)
    return parts


def _integer(text: str) -> int:
    if len(text.lstrip("+-")) > 18:
        raise UserError(f"the number {text[:18]}... is too large")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise UserError(f"the number {text} is too large")
    return value


def _unquoted(text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = None
    if not isinstance(value, str):
        raise UserError(f"the quoted value {text} is not closed", hint=_SYNTAX)
    return value
