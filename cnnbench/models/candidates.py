"""Find the networks in a Python file by reading it; the file is never run.

A *network* is a name at the top level to which a Keras model is assigned, or a function or class
that makes one and can be called without other arguments than ``input_shape`` and ``classes``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from cnnbench.errors import UserError
from cnnbench.models import signature
from cnnbench.models.signature import REQUIRED

MODEL = "model"
"""The name of the network of a file that has others too."""

_MAKERS = frozenset({"Model", "Sequential", "Functional", "clone_model", "load_model"})
_TRAINERS = frozenset({"fit", "train_on_batch"})
_APPLICATIONS = "applications"
_ARGUMENTS = frozenset({"input_shape", "classes"})


def only(file: Path, written: str) -> str:
    """Return the name of the network that a file means if none is named.

    It is the one builder that is registered; else the network called ``model``; else the only
    network.

    Args:
        file: the Python file.
        written: its name as written, for messages.

    Raises:
        UserError: it has no network, or several, which are listed.
    """
    found = list(signature.registered(file).values()) or _Module.of(file).networks
    if MODEL in found:
        return MODEL
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            "no network was found in it",
            written,
            f"name the function that builds it, {written}:function",
        )
    listed = ", ".join(f"{written}:{name}" for name in found)
    raise UserError(f"has {len(found)} networks", written, f"name one of them: {listed}")


def is_assigned(file: Path, name: str) -> bool:
    """Return whether ``name`` is a network that is made when the file is imported."""
    return name in _Module.of(file).assigned


def origin(file: Path, name: str) -> str:
    """Return ``module:name`` where a name at the top level is imported from; empty if it is not."""
    return _Module.of(file).imported.get(name, "")


@dataclass(frozen=True)
class _Module:
    """The top level of a Python file.

    Attributes:
        defined: functions and classes.
        values: names with the expression that is assigned to them last.
        imported: names with what they are imported from, ``module:name``.
    """

    defined: Mapping[str, ast.FunctionDef | ast.ClassDef]
    values: Mapping[str, ast.expr]
    imported: Mapping[str, str]

    @staticmethod
    def of(file: Path) -> _Module:
        """Read a file.

        Raises:
            UserError: it cannot be read or parsed.
        """
        return _read(signature.parse(file))

    @cached_property
    def assigned(self) -> frozenset[str]:
        """The names to which a network is assigned."""
        return frozenset(
            name
            for name, value in self.values.items()
            if isinstance(value, ast.Call) and (self._calls_maker(value) or _is_model(name, value))
        )

    @cached_property
    def networks(self) -> list[str]:
        """The networks, in the order of the file, without those that only others are made of."""
        nodes: dict[str, ast.AST] = {
            name: node
            for name, node in self.defined.items()
            if not name.startswith("_") and self._makes(name) and _can_be_called(node)
        }
        nodes |= {name: self.values[name] for name in self.assigned if not name.startswith("_")}
        used = {name: _names(node) - {name} for name, node in nodes.items()}
        found = [name for name in nodes if not any(name in of for of in used.values())]
        places = {name: getattr(node, "lineno", 0) for name, node in nodes.items()}
        return sorted(found, key=places.__getitem__)

    def _makes(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Return whether a function returns a network, or a class is one."""
        node = self.defined.get(name)
        if node is None or name in seen:
            return False
        seen |= {name}
        if isinstance(node, ast.ClassDef):
            bases = [_dotted(base) for base in node.bases]
            return any(
                base.endswith(("Model", "Sequential", "Functional")) or self._makes(base, seen)
                for base in bases
            )
        calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
        if any(_dotted(call.func).rpartition(".")[2] in _TRAINERS for call in calls):
            return False
        returns = (part for part in ast.walk(node) if isinstance(part, ast.Return))
        has_value = any(part.value is not None for part in returns)
        return has_value and any(self._calls_maker(call, seen) for call in calls)

    def _calls_maker(self, call: ast.Call, seen: frozenset[str] = frozenset()) -> bool:
        called = _dotted(call.func)
        whole = self.imported.get(called, called)
        name = whole.replace(":", ".").rpartition(".")[2]
        return name in _MAKERS or _APPLICATIONS in whole or self._makes(called, seen)


@lru_cache(maxsize=64)
def _read(tree: ast.Module) -> _Module:
    defined: dict[str, ast.FunctionDef | ast.ClassDef] = {}
    values: dict[str, ast.expr] = {}
    imported: dict[str, str] = {}
    for node in signature.statements(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            values |= {one.id: node.value for one in targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            imported |= {one.asname or one.name: f"{module}:{one.name}" for one in node.names}
    return _Module(defined, values, imported)


def _is_model(name: str, value: ast.Call) -> bool:
    """Return whether ``model = build()`` is meant, whose ``build`` is defined elsewhere."""
    return name == MODEL and not _dotted(value.func).endswith("partial")


def _can_be_called(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Return whether a builder needs no other arguments than those every model has."""
    defaults = signature.of(node).defaults
    return all(name in _ARGUMENTS for name, value in defaults.items() if value is REQUIRED)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _dotted(node: ast.AST) -> str:
    """Return ``keras.Model`` for the expression of that name; empty for any other."""
    return ".".join(reversed([*_parts(node)]))


def _parts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
        yield from _parts(node.value)
    elif isinstance(node, ast.Name):
        yield node.id
