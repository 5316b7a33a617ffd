"""Operations of networks, counted once and kept in the results folder's cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from cnnbench import safe_json
from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.forecast.operations import Operation, of_graph
from cnnbench.models.model import Model
from cnnbench.quiet import quiet

Shape = tuple[int, ...]

FOLDER = ".cache/forecast"
# Of the operations in a file; raise it where `operations.of_graph` changes what it finds.
_VERSION = 1
_MOST_BYTES = 2**22


class CountNetwork(Protocol):
    """Counts the operations of a network."""

    def __call__(self, model: Model, shape: Shape) -> list[Operation]:
        """Return the operations of ``model`` for one image of ``shape``."""


def counted(model: Model, shape: Shape) -> list[Operation]:
    """Build a network without weights and return its operations; takes seconds.

    Raises:
        UserError: it cannot be built at this shape, or counted.
    """
    with quiet():
        from cnnbench.analysis import inspect, standard_keras, weightless
        from cnnbench.analysis.building import named_model

        with weightless(), standard_keras():
            network = named_model(model, shape if shape != tuple(model.input_shape) else None)
            return of_graph(inspect(network, input_shape=shape or None).graph)


class Counts:
    """Operations by network, from files where they were counted before.

    Args:
        results: the results folder; files are kept in its ``.cache/forecast``.
        count: counts a network that has no file.
    """

    def __init__(self, results: Path, count: CountNetwork = counted) -> None:
        self._folder, self._count = results / FOLDER, count

    def known(self, model: Model, shape: Shape) -> list[Operation] | None:
        """Return the operations of a network that was counted before; else None."""
        with suppress(OSError, ValueError):
            file = self._file(model, shape)
            if file.stat().st_size <= _MOST_BYTES:
                return _read(safe_json.loads(file.read_text(encoding="utf-8")))
        return None

    def of(self, model: Model, shape: Shape) -> list[Operation]:
        """Return the operations of a network, counting them if they are not known.

        Raises:
            UserError: it cannot be built at this shape, or counted.
        """
        if (found := self.known(model, shape)) is not None:
            return found
        found = self._count(model, shape)
        with _as_user_error(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_text(self._file(model, shape), _written(model.label, shape, found))
        return found

    def _file(self, model: Model, shape: Shape) -> Path:
        parts = {"version": _VERSION, "model": model.identity(), "input_shape": list(shape)}
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return self._folder / f"{hashlib.sha256(canonical.encode()).hexdigest()[:16]}.json"


def _written(label: str, shape: Shape, operations: list[Operation]) -> str:
    """Return the file of a network: every distinct operation once, with how often it occurs."""
    distinct = dict.fromkeys(operations)
    facts = {"model": label, "input_shape": list(shape)}
    rows = [[operations.count(one), *one.to_json()] for one in distinct]
    lines = ",\n".join(safe_json.dumps(row) for row in rows)
    return f'{safe_json.dumps(facts)[:-1]},"operations":[\n{lines}\n]}}\n'


def _read(value: object) -> list[Operation]:
    rows = value.get("operations") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise ValueError("not the operations of a network")
    found: list[Operation] = []
    for row in rows:
        if not isinstance(row, list) or len(row) < 2 or type(row[0]) is not int:
            raise ValueError("not an operation")
        found += [Operation.from_json(row[1:])] * min(max(row[0], 0), 10_000)
    return found


@contextmanager
def _as_user_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(folder)) from None
