"""Load weights from files, and explain what to do if they are missing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnbench.data.downloads import short_timeouts
from cnnbench.errors import Unavailable
from cnnbench.models import stored_weights
from cnnbench.models.catalog import ENTRIES

_FETCH_FAILED = re.compile(r"URL fetch failure on (?P<url>\S+?):? ")


def load(model: Any, file: Path, label: str, whole: Callable[[], Any] | None = None) -> None:
    """Load ``file`` (``.weights.h5``, ``.h5`` or ``.keras``) into ``model``.

    Raises:
        Unavailable: no such file.
        UserError: not a weights file, or one of another architecture.
    """
    if not file.is_file():
        raise Unavailable(f"no weights file {file} for {label}")
    known = [(entry.name, entry.params, entry.classes) for entry in ENTRIES.values()]
    stored_weights.load(model, file, label, known, whole)


@contextmanager
def explain_failed_download(label: str) -> Iterator[None]:
    """Turn a failed download by Keras into one line: which file, and where to put it."""
    try:
        with short_timeouts():
            yield
    except Exception as error:
        file = _wanted_file(error)
        if file is None:
            raise
        fetch = _FETCH_FAILED.match(f"{error} ")
        source = f" (from {fetch['url']})" if fetch else ""
        raise Unavailable(
            f"{label}: {file.name} is not cached and cannot be downloaded; {_place(file)}{source}"
        ) from error


def _place(file: Path) -> str:
    """Return where to put a file, in words valid on every machine, as they end up in records."""
    cache = os.environ.get("KERAS_HOME")
    if cache and Path(cache).name == "keras" and file.is_relative_to(cache):
        return f"put it at keras/{file.relative_to(cache)} in the data folder"
    if file.is_relative_to(Path.home()):
        return f"put it at ~/{file.relative_to(Path.home())}"
    return f"put it at {file}"


def _wanted_file(error: Exception) -> Path | None:
    """Return where ``get_file`` looked for the file; its name can differ from the URL's."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "get_file":
            names = trace.tb_frame.f_locals
            target = names.get("download_target") or names.get("fpath")
            return Path(target) if target else None
        trace = trace.tb_next
    return None
