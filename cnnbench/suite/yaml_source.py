"""Read YAML safely, with the line of every value for messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
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
_NUMBERS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float"))


@dataclass(frozen=True)
class Source:
    """A YAML document: its text, its plain data, and the line of every value in it."""

    name: str
    text: str
    data: Any
    lines: dict[Path_, int]

    @cached_property
    def keys(self) -> frozenset[str | int]:
        """Every key and index in the document, at any depth."""
        return frozenset(part for path in self.lines for part in path)

    def where(self, path: Path_ = ()) -> str:
        """Return the place of the value at ``path``, or of its parent: ``suites/mobile.yaml:7``."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"


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


def dumped(data: Mapping[str, Any], name: str) -> Source:
    """Return a document of plain data, written as YAML.

    Raises:
        UserError: a value that YAML does not have, or one that `parse` refuses.
    """
    try:
        text = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)
    except yaml.representer.RepresenterError as error:
        value = error.args[-1]
        what = f"{shown(value)} is of type {type(value).__name__}"
        raise UserError(what, name, "use strings, numbers, lists and dictionaries") from None
    return parse(text, name)


def parse(text: str, name: str) -> Source:
    """Parse YAML text; ``name`` is the file name in messages. See `read`."""
    try:
        return _source(text, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(part for part in (error.problem, error.context) if part)
        raise UserError(f"not valid YAML: {what}", f"{name}:{line}") from None
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
            return Source(name, text, None, {(): 1})
        index = _Index(name)
        index.walk(node)
        index.raise_problems()
        return Source(name, text, loader.construct_document(node), index.lines)
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
        # JSON writes some characters as two escapes, which YAML reads as two half characters.
        if _HALF.search(node.value):
            self._note(
                "half of a surrogate pair (\\ud800 to \\udfff)", node, "write the character itself"
            )
        if _CONTROL.search(node.value):  # could change the terminal that shows a model's name
            self._note("a control character", node, "remove it")

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
