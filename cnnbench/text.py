"""Text from elsewhere on a terminal: it is shown, and does nothing."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""``text`` in one line, its control characters written out: ``\x1b``, ``\n``.

    A terminal obeys them: they move its cursor, change its title, hide what was printed before.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """`printable` for a finished text of several lines, whose line ends stay."""
    return "\n".join(map(printable, text.split("\n")))
