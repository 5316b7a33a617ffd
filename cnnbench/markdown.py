"""Escaping of text for Markdown tables and lists, kept readable where it is not rendered."""

from __future__ import annotations

import re

from cnnbench.text import printable

# Markup anywhere in a line.
_ALWAYS = str.maketrans(
    {
        **{"&": "&amp;", "<": "&lt;", ">": "&gt;"},
        **{character: f"\\{character}" for character in r"\|`*~"},
    }
)
# Markup only in some places. Names of models contain brackets, which are escaped only where they
# could make a link: before a round bracket, or at the start of a line (a link definition). A bare
# address may become a link, since it shows where it leads.
_SOMETIMES = re.compile(
    r"""
    (?<=\]) \(  # [text](address), ![text](address)
    | ^ \s* [\[\#]  # [text]: address, # heading
    | (?<![^\W_]) _ | _ (?![^\W_])  # _emphasis_, but not snake_case
    """,
    re.VERBOSE,
)


def markdown(text: str) -> str:
    """Return ``text`` in one line, escaped so that Markdown renders exactly its characters.

    It cannot produce a link, an image, code, HTML or the end of a table cell.
    """
    line = printable(text.replace("\n", " ").replace("\r", " ")).translate(_ALWAYS)
    return _SOMETIMES.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", line)
