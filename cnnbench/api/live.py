"""Live Keras models where a name is expected: they are saved as ``.keras`` files."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError, explained, is_out_of_memory
from cnnbench.execution.run_folder import CACHE

MODELS = "models"
"""The folder of saved live models in the results' cache."""

_DATED = "metadata.json"  # in a .keras file: when it was saved
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def is_live(model: Any) -> bool:
    """Return whether ``model`` is a Keras model rather than the name of one."""
    return hasattr(model, "layers") and hasattr(model, "save")


@contextmanager
def named(model: Any) -> Iterator[str]:
    """Provide the name of a model: as it is, or the file of a live one while the block runs.

    Raises:
        UserError: a live model that cannot be saved.
    """
    if not is_live(model):
        yield os.fspath(model)
        return
    with tempfile.TemporaryDirectory(prefix="cnnbench-") as folder:
        yield str(_save(model, Path(folder)))


def in_suite(suite: Any, out: Path) -> Any:
    """Return a suite with files in place of its live models; other suites as they are.

    A file is named by its content, so that a run with the same models is resumed.

    Args:
        suite: as `cnnbench.run` takes it.
        out: the results folder, whose cache gets the files.

    Raises:
        UserError: a live model that cannot be saved.
    """
    models = suite.get("models") if isinstance(suite, Mapping) else None
    if not isinstance(models, list | tuple) or not any(map(is_live, models)):
        return suite
    cache = out.resolve() / CACHE / MODELS
    return {
        **suite,
        "models": [_kept(each, cache) if is_live(each) else each for each in models],
    }


def _kept(model: Any, cache: Path) -> str:
    """Return the file of a live model in ``cache``, written unless it is there."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=cache) as folder:
            made = _save(model, Path(folder))
            kept = cache / _content(made)[:16] / made.name
            if not kept.exists():
                kept.parent.mkdir(exist_ok=True)
                made.replace(kept)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(cache)) from None
    return str(kept)


def _save(model: Any, folder: Path) -> Path:
    file = folder / f"{_NOT_IN_A_NAME.sub('-', str(model.name))}.keras"
    try:
        model.save(file)
    except OSError:
        raise
    except Exception as error:  # layers of the user's own can raise anything
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"the model '{model.name}' cannot be saved: {explained(error)}",
            hint="name the file that builds it: net.py",
        ) from error
    return file


def _content(file: Path) -> str:
    """Return a hash of what a ``.keras`` file contains, without the time when it was saved."""
    with zipfile.ZipFile(file) as archive:
        members = sorted(
            (one.filename, one.CRC) for one in archive.infolist() if one.filename != _DATED
        )
    return hashlib.sha256(repr(members).encode()).hexdigest()
