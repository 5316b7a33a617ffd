"""Small pieces of text: untrusted text made safe for a terminal, and tensor shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Return ``text`` in one line with its control characters escaped: ``\x1b``, ``\n``.

    Control characters in text from elsewhere (model names, file names, journals) could move the
    cursor, change the terminal's title or hide earlier output.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """Return ``text`` with every line made `printable`; the line ends stay."""
    return "\n".join(map(printable, text.split("\n")))


def shape_text(sizes: Iterable[object]) -> str:
    """Return a shape as text: ``224x224x3``, with ``?`` for a size that is None."""
    return "x".join("?" if size is None else str(size) for size in sizes)
