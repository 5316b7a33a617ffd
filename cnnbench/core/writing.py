"""Write files in one step, so that an interruption never leaves half of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def replace_text(file: Path, text: str) -> None:
    """Write ``file`` in one step: whoever looks, or a kill, finds the old text or the new.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def replace_arrays(file: Path, arrays: Mapping[str, Any]) -> None:
    """Write NumPy ``arrays`` to ``file``, an ``.npz``, in one step like `replace_text`.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    import numpy as np

    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as stream:
        np.savez(stream, **arrays)
    part.replace(file)
