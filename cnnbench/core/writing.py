"""Text files that are whole, whatever happens while they are written."""

from __future__ import annotations

from pathlib import Path


def replace_text(file: Path, text: str) -> None:
    """Write ``file`` in one step: whoever looks, or a kill, finds the old text or the new.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
