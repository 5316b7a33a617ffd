"""Text in Markdown that stays text, and can still be read where it is not rendered."""

from __future__ import annotations

import re

from cnnbench.text import printable

# What means something wherever it stands.
_ALWAYS = str.maketrans(
    {
        **{"&": "&amp;", "<": "&lt;", ">": "&gt;"},
        **{character: f"\\{character}" for character in r"\|`*~"},
    }
)
# What means something only there. Brackets stand in the names of models, so they are left alone
# where they cannot make a link: one has its address in a round bracket right behind, or in a
# definition, which begins a line. A bare address may become a link: it says where it leads.
_SOMETIMES = re.compile(
    r"""
    (?<=\]) \(  # [text](address), ![text](address)
    | ^ \s* [\[\#]  # [text]: address, # heading
    | (?<![^\W_]) _ | _ (?![^\W_])  # _emphasis_; the one in snake_case is none
    """,
    re.VERBOSE,
)


def markdown(text: str) -> str:
    """``text`` in one line that is shown as it is: no link, picture, code, HTML or cell's end."""
    line = printable(text.replace("\n", " ").replace("\r", " ")).translate(_ALWAYS)
    return _SOMETIMES.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", line)
