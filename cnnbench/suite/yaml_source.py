"""Documents of suites: YAML, read safely and with the line of every value, or dictionaries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from cnnbench.errors import UserError, all_of, brief, shown

Path_ = tuple[str | int, ...]

MOST_BYTES = 2**18
_MAX_NODES = 20_000
_DEEPEST = 50
# Longer ones can hang a reader: Python has no limit for hexadecimal and sexagesimal integers.
_MAX_DIGITS = 100
_HALF = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # except tab and line feed
# A model's brackets or braces in a flow list, or its braces at the beginning.
_BRACKET = re.compile(r"but (?:got|found) '(?:[\[{]|<scalar>)'")
_QUOTES_HINT = (
    "a model's name with brackets or braces needs quotes: 'MobileNetV2[alpha={0.35,0.5}]'"
)
_NUMBERS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float"))


@dataclass(frozen=True)
class Source:
    """A document.

    Attributes:
        name: of the file, or of what stands for it in messages.
        text: as YAML.
        data: plain values.
        lines: the line of every value; empty if the document was no text.
        keys: every key in it, at any depth.
    """

    name: str
    text: str
    data: Any
    lines: Mapping[Path_, int]
    keys: frozenset[str | int]

    def line(self, path: Path_) -> int:
        """Return the line of the value at ``path``, or of its parent; 1 if there are no lines."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path_ = ()) -> str:
        """Return a place: ``suites/mobile.yaml:7``, or ``suite: models.0`` without lines."""
        if self.lines:
            return f"{self.name}:{self.line(path)}"
        return _path_text(self.name, path)


class _Loader(yaml.SafeLoader):
    """Safe loader that reports two kinds of input with their line.

    Deep nesting takes PyYAML quadratic time, and a value that does not match its tag
    (``!!bool maybe``, the 99th of a month) raises arbitrary exceptions.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)  # type: ignore[no-untyped-call]
        except (AttributeError, LookupError, ValueError) as error:
            if not isinstance(node, yaml.ScalarNode):
                raise
            kind = node.tag.rpartition(":")[2]
            problem = f"'{node.value[:_MAX_DIGITS]}' is not a valid {kind}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:  # noqa: N803
        if self.flow_level >= _DEEPEST:
            raise yaml.MarkedYAMLError(
                problem="nested too deeply to be a suite", problem_mark=self.get_mark()
            )
        super().fetch_flow_collection_start(TokenClass)


def read(file: Path) -> Source:
    """Read a YAML file: safe tags only, no duplicate keys, no alias bombs.

    Raises:
        UserError: no such file, not UTF-8, not YAML, or too large.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"larger than {MOST_BYTES // 2**10} KiB, so not a suite", str(file))
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", str(file)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot be read: {reason}", str(file)) from None
    return parse(text, str(file))


def of_dictionary(data: Mapping[str, Any], name: str) -> Source:
    """Return a document of ``data``, whose mistakes are named by their keys.

    Raises:
        UserError: a value that a YAML file cannot have; all of them.
    """
    copier = _Copier(name)
    copy = copier.copy(data)
    if copier.problems:
        raise all_of(copier.problems)
    text = yaml.safe_dump(copy, sort_keys=False, allow_unicode=True)
    return Source(name, text, copy, {}, frozenset(copier.keys))


class _Copier:
    """Copies nested data into plain dictionaries and lists, and collects what YAML cannot hold."""

    def __init__(self, name: str) -> None:
        self.problems: list[UserError] = []
        self.keys: set[str | int] = set()
        self._name = name
        self._visits = 0

    def copy(self, value: Any, path: Path_ = ()) -> Any:
        """Return a copy of ``value``, which is at ``path``.

        Raises:
            UserError: it is nested too deeply (as one that contains itself), or too large.
        """
        self._visits += 1
        if self._visits > _MAX_NODES:
            raise UserError(f"more than {_MAX_NODES} values", self._name)
        if len(path) > _DEEPEST:
            raise UserError("nested too deeply to be a suite", self._name)
        if isinstance(value, Mapping):
            for key in value:
                self._check(key, path)
            items = {key: self.copy(item, (*path, str(key))) for key, item in value.items()}
            self.keys.update(map(str, value))
            return items
        if isinstance(value, list | tuple):
            self.keys.update(range(len(value)))
            return [self.copy(item, (*path, index)) for index, item in enumerate(value)]
        self._check(value, path)
        return value

    def _check(self, value: Any, path: Path_) -> None:
        what = hint = ""
        if type(value) is str:
            what, hint = _problem(value)
        elif type(value) is int and abs(value) >= 10**_MAX_DIGITS:
            what = f"a number of more than {_MAX_DIGITS} digits"
        elif type(value) not in (int, float, bool, NoneType):
            what = f"{shown(value)} is of type {type(value).__name__}"
            hint = "use strings, numbers, lists and dictionaries"
        if what:
            self.problems.append(UserError(what, _path_text(self._name, path), hint))


def _problem(text: str) -> tuple[str, str]:
    """Return what is wrong with a text, and what to do; both are empty if nothing is."""
    # JSON writes some characters as two escapes, which YAML reads as two half characters.
    if _HALF.search(text):
        return "half of a surrogate pair (\\ud800 to \\udfff)", "write the character itself"
    if _CONTROL.search(text):  # could change the terminal that shows a model's name
        return "a control character", "remove it"
    return "", ""


def _path_text(name: str, path: Path_) -> str:
    return f"{name}: {'.'.join(map(str, path))}" if path else name


def parse(text: str, name: str) -> Source:
    """Parse YAML text; ``name`` is the file name in messages. See `read`."""
    try:
        return _source(text, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(part for part in (error.problem, error.context) if part)
        hint = _QUOTES_HINT if error.problem and _BRACKET.search(error.problem) else ""
        raise UserError(f"not valid YAML: {what}", f"{name}:{line}", hint) from None
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML: {brief(error)}", name) from None
    except RecursionError:
        raise UserError("nested too deeply to be a suite", name) from None
    except (ValueError, OverflowError):  # of chr(), in the scanner
        raise UserError("not valid YAML: an escape that is not a character", name) from None


def _source(text: str, name: str) -> Source:
    # The C loader parses faster but loses the column in some errors; suites are small.
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Source(name, text, None, {(): 1}, frozenset())
        index = _Index(name)
        index.walk(node)
        index.raise_problems()
        keys = frozenset(part for path in index.lines for part in path)
        return Source(name, text, loader.construct_document(node), index.lines, keys)
    finally:
        loader.dispose()


class _Index:
    """Lines of all values in a tree of nodes, and the mistakes found in it."""

    def __init__(self, name: str) -> None:
        self.lines: dict[Path_, int] = {}
        self._name = name
        self._visits = 0
        # By message: a mistake behind an anchor is found at every alias but reported once.
        self._problems: dict[str, UserError] = {}

    def walk(
        self, node: yaml.Node, path: Path_ = (), parents: frozenset[int] = frozenset()
    ) -> None:
        """Record the lines of ``node`` and its descendants; an alias is entered at every use.

        Raises:
            UserError: an alias bomb, or an alias that contains itself.
        """
        if id(node) in parents:
            raise UserError("an alias that contains itself", self._where(node))
        self._count()
        self.lines[path] = _line(node)
        parents = parents | {id(node)}
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.walk(item, (*path, index), parents)
        elif isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, path, parents)

    def raise_problems(self) -> None:
        """Raise a `UserError` if mistakes were found."""
        found = list(self._problems.values())
        if found:
            raise all_of(found)

    def _walk_mapping(self, node: yaml.MappingNode, path: Path_, parents: frozenset[int]) -> None:
        seen: set[str] = set()
        for key, item in node.value:
            word = "?"
            if isinstance(key, yaml.ScalarNode):
                word = str(key.value)
                self._check_scalar(key)
            if word in seen:
                self._count()
                self._note(f"duplicate key '{word}'", key)
                continue
            seen.add(word)
            self.walk(item, (*path, word), parents)
            self.lines[(*path, word)] = _line(key)

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        if node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
            self._note(f"a number of {len(node.value)} digits", node)
        what, hint = _problem(node.value)
        if what:
            self._note(what, node, hint)

    def _count(self) -> None:
        self._visits += 1
        if self._visits > _MAX_NODES:
            raise UserError(
                f"more than {_MAX_NODES} values (aliases count at each use)", self._name
            )

    def _note(self, what: str, node: yaml.Node, hint: str = "") -> None:
        problem = UserError(what, self._where(node), hint)
        self._problems.setdefault(problem.one_line(), problem)

    def _where(self, node: yaml.Node) -> str:
        return f"{self._name}:{_line(node)}"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
