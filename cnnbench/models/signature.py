"""The parameters of a builder, read from its source file; the file is never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError, nearest
from cnnbench.models.user_errors import shown

REQUIRED = object()
"""The default of a parameter that has none."""


class Expression(str):
    """The source text of a default that is not a literal."""


# Arguments that the caller of a builder sets: they are not parameters of a model.
_RESERVED = frozenset(
    {"self", "include_top", "weights", "input_tensor", "pooling", "name", "model_name"}
)


@dataclass(frozen=True)
class Signature:
    """The parameters of a builder.

    Attributes:
        defaults: parameter -> default: a literal, an `Expression`, or `REQUIRED`.
        accepts: every argument, including those that are not parameters of a model.
        open: any keyword is accepted (``**kwargs``, or a name that is not a plain function).
        registered: the name that ``@cnnbench.register`` gives it, or None.
        keyword_only: parameters that cannot be given by position.
        later: parameters that a published model did not have; at their defaults they are not part
            of its identity.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    accepts: frozenset[str] = frozenset()
    open: bool = False
    registered: str | None = None
    keyword_only: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()

    def takes(self, argument: str) -> bool:
        """Return whether the builder can be called with this argument."""
        return self.open or argument in self.accepts


def read(file: Path, builder: str) -> Signature:
    """Return the signature of the function or class ``builder`` at the top level of ``file``.

    A name that is assigned or imported there, or may be by an ``import *``, is taken to accept any
    argument.

    Raises:
        UserError: the file cannot be parsed, or has no such name (the nearest is given).
    """
    found = dict(_definitions(parse(file)))
    if builder not in found and _EVERYTHING in found:
        return Signature(open=True)
    if builder not in found:
        builders = [name for name, node in found.items() if node and not name.startswith("_")]
        hint = nearest(builder, builders) or "it has: " + ", ".join(builders or ["no function"])
        raise UserError(f"no '{builder}' in {shown(file)}", hint=hint)
    return of(found[builder])


def registered(file: Path) -> dict[str, str]:
    """Return registered name -> builder, for every ``@cnnbench.register`` in ``file``."""
    names = {
        _registered_name(node): name for name, node in _definitions(parse(file)) if node is not None
    }
    return {registered: name for registered, name in names.items() if registered}


@lru_cache(maxsize=256)
def _parsed(file: Path, _stamp: tuple[int, int]) -> ast.Module:
    return ast.parse(file.read_bytes(), str(file))


def parse(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file.

    Raises:
        UserError: it cannot be read or parsed.
    """
    try:
        found = file.stat()
        return _parsed(file, (found.st_mtime_ns, found.st_size))
    except SyntaxError as error:
        raise UserError(f"not valid Python: {error.msg}", f"{shown(file)}:{error.lineno}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", shown(file)) from None
    except (MemoryError, RecursionError):  # raised by the parser for thousands of brackets
        raise UserError("cannot be read: nested too deeply", shown(file)) from None


Definition = ast.FunctionDef | ast.ClassDef
_EVERYTHING = "*"


def statements(module: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that importing a module runs, also those inside ``if`` and ``try``.

    Those of ``if __name__ == "__main__"`` do not run.
    """
    for node in ast.iter_child_nodes(module):
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from statements(node)


def _definitions(module: ast.AST) -> Iterator[tuple[str, Definition | None]]:
    """Yield every name at the top level, with its definition if it is a function or a class."""
    for node in statements(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], None
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((name, None) for target in targets for name in _assigned(target))


def _assigned(target: ast.expr) -> Iterator[str]:
    """Yield the names that are assigned; ``builder.__doc__ = ...`` assigns none."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _assigned(part)


def of(node: Definition | None) -> Signature:
    """Return the signature of a definition; without one, any argument is accepted."""
    function = _constructor(node) if isinstance(node, ast.ClassDef) else node
    if node is None or function is None:
        return Signature(open=True)
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = [
        *zip(positional, [*missing, *arguments.defaults], strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return Signature(
        defaults={a.arg: _default(value) for a, value in pairs if a.arg not in _RESERVED},
        accepts=frozenset(a.arg for a, _ in pairs if a.arg != "self"),
        open=arguments.kwarg is not None,
        registered=_registered_name(node),
        keyword_only=frozenset(a.arg for a in arguments.kwonlyargs),
    )


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
    return next((method for method in methods if method.name == "__init__"), None)


def _default(node: ast.expr | None) -> Any:
    if node is None:
        return REQUIRED
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):  # a list as a key, say
        return Expression(ast.unparse(node))


def _registered_name(node: Definition | None) -> str | None:
    """Return the name that ``@cnnbench.register`` or ``@register("X")`` gives, or None."""
    for decorator in node.decorator_list if node else ():
        call = decorator if isinstance(decorator, ast.Call) else None
        called = call.func if call else decorator
        if ast.unparse(called) not in ("register", "cnnbench.register"):
            continue
        given = [*call.args, *(k.value for k in call.keywords if k.arg == "name")] if call else []
        if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
            return given[0].value
        return node.name if node else None
    return None
