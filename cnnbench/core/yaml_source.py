"""YAML read safely, with the line of every value: mistakes are reported where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from cnnbench.core.errors import UserError, UserErrors

Path_ = tuple[str | int, ...]

_MAX_BYTES = 2**18
_MAX_NODES = 20_000
_DEEPEST = 50
# Longer ones exist to hang a reader: hexadecimal and sexagesimal integers have no limit in Python.
_MAX_DIGITS = 100
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
        """Every key and every index that stands in it, at any depth."""
        return frozenset(part for path in self.lines for part in path)

    def where(self, path: Path_ = ()) -> str:
        """``suites/mobile.yaml:7`` for the value at ``path``, or its nearest parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses what PyYAML hangs on or has no word for.

    Its time grows with the square of the depth; and a value that is not what its tag says
    (``!!bool maybe``, the 99th of a month) is whatever exception comes of it.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)  # type: ignore[no-untyped-call]
        except (AttributeError, LookupError, ValueError) as error:
            if not isinstance(node, yaml.ScalarNode):
                raise
            kind = node.tag.rpartition(":")[2]
            problem = f"'{node.value[:_MAX_DIGITS]}' is no {kind}"
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
        if file.stat().st_size > _MAX_BYTES:
            raise UserError(f"larger than {_MAX_BYTES // 2**10} KiB, so not a suite", str(file))
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", str(file)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot be read: {reason}", str(file)) from None
    return parse(text, str(file))


def parse(text: str, name: str) -> Source:
    """`read` for text that is already at hand; ``name`` stands for the file in messages."""
    try:
        return _source(text, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(part for part in (error.problem, error.context) if part)
        raise UserError(f"not valid YAML: {what}", f"{name}:{line}") from None
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML: {' '.join(str(error).split())}", name) from None
    except RecursionError:
        raise UserError("nested too deeply to be a suite", name) from None
    except (ValueError, OverflowError):  # of chr(), in the scanner
        raise UserError("not valid YAML: an escape that is no character", name) from None


def _source(text: str, name: str) -> Source:
    # The C loader parses faster but loses the column in some errors; suites are small.
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Source(name, text, None, {(): 1})
        lines: dict[Path_, int] = {}
        problems: list[UserError] = []
        _index(node, (), lines, problems, name, set())
        if problems:
            raise problems[0] if len(problems) == 1 else UserErrors(problems)
        return Source(name, text, loader.construct_document(node), lines)
    finally:
        loader.dispose()


def _index(
    node: yaml.Node,
    path: Path_,
    lines: dict[Path_, int],
    problems: list[UserError],
    name: str,
    parents: set[int],
) -> None:
    """Fill ``lines`` by walking the node tree; an alias is walked at every use, so bombs show."""
    line = node.start_mark.line + 1
    if id(node) in parents:
        raise UserError("an alias that contains itself", f"{name}:{line}")
    if len(lines) > _MAX_NODES:
        raise UserError(f"more than {_MAX_NODES} values (aliases count at each use)", name)
    lines[path] = line
    if node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
        problems.append(UserError(f"a number of {len(node.value)} digits", f"{name}:{line}"))
    if isinstance(node, yaml.ScalarNode):
        _check_text(node, problems, name)
    parents = parents | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _index(item, (*path, index), lines, problems, name, parents)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, item in node.value:
            word = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if word in seen:
                problems.append(
                    UserError(f"'{word}' stands here twice", f"{name}:{key.start_mark.line + 1}")
                )
            seen.add(word)
            if isinstance(key, yaml.ScalarNode):
                _check_text(key, problems, name)
            _index(item, (*path, word), lines, problems, name, parents)
            lines[(*path, word)] = key.start_mark.line + 1


def _check_text(node: yaml.ScalarNode, problems: list[UserError], name: str) -> None:
    """JSON writes some characters as two escapes, each of which YAML takes for half a one."""
    if any("\ud800" <= character <= "\udfff" for character in node.value):
        where = f"{name}:{node.start_mark.line + 1}"
        problems.append(UserError("half a character (\\ud800 to \\udfff)", where, "write it whole"))
