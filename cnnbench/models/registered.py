"""Names that users and installed packages give to their own builders."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, overload

from cnnbench.errors import UserError, plain
from cnnbench.models import locate
from cnnbench.models.catalog import canonical

ENTRY_POINTS = "cnnbench.models"
"""Packages that ship architectures name them here: ``MyNet = "package.module:builder"``."""

_F = TypeVar("_F", bound=Callable[..., Any])
_in_this_process: dict[str, str] = {}


@overload
def register(builder: _F, *, name: str | None = None) -> _F: ...


@overload
def register(builder: str | None = None, *, name: str | None = None) -> Callable[[_F], _F]: ...


def register(
    builder: _F | str | None = None, *, name: str | None = None
) -> _F | Callable[[_F], _F]:
    """Register a builder under a name: ``@cnnbench.register`` or ``@cnnbench.register("MyNet")``.

    The name is known in this process at once. Suites find it if the file is next to the suite or
    in the working directory, or if a package lists the builder as an entry point of the group
    ``cnnbench.models``.

    Args:
        builder: the function or class, returned unchanged; or the name to register.
        name: the name to register; by default that of the builder.

    Raises:
        UserError: the name is in the catalogue, or the builder is not defined in a file.
    """
    if builder is None or isinstance(builder, str):
        return lambda function: register(function, name=builder or name)
    chosen = name or builder.__name__
    if canonical(chosen) is not None:
        raise UserError(f"'{chosen}' is a name of the catalogue", hint="register another name")
    file = inspect.getsourcefile(builder)
    if file is None or not Path(file).is_file():
        raise UserError(
            f"'{chosen}' is not defined in a file, so no other process could build it",
            hint="put the builder into a module",
        )
    _in_this_process[chosen] = f"{Path(file).resolve()}:{builder.__name__}"
    return builder


def builders(search_path: Sequence[Path]) -> Mapping[str, str]:
    """Return every registered name with the location of its builder, ``module:function``.

    Names come from installed packages, from Python files in ``search_path``, and from this process;
    a later one replaces an earlier one of the same name.
    """
    beside = locate.registered(search_path or (Path.cwd(),))
    return {
        **installed(),
        **{name: f"{file}:{builder}" for name, (file, builder) in beside.items()},
        **_in_this_process,
    }


def find(name: str, search_path: Sequence[Path]) -> tuple[str, str] | None:
    """Return the registered name that ``name`` means, and the location of its builder; or None.

    Case, ``_`` and ``-`` are ignored.
    """
    known = builders(search_path)
    label = {plain(each): each for each in known}.get(plain(name))
    return None if label is None else (label, known[label])


def is_local(name: str) -> bool:
    """Return whether only this process knows the name."""
    return name in _in_this_process


@cache
def installed() -> Mapping[str, str]:
    """Return the names that installed packages register, with ``package.module:builder``."""
    return {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINTS)}
