"""What can go wrong, sorted by who has to act.

Every message is one line and answers: what, where, what was expected, what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

# What the output of a process says when memory ran out: evidence for the status ``oom``.
OUT_OF_MEMORY = re.compile(
    rb"ResourceExhausted|RESOURCE_EXHAUSTED|bad_alloc|OOM when allocating|MemoryError"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, whoever raised it.

    A block that turns any exception into words of its own raises such a one again, as it is.
    """
    words = f"{type(error).__name__}: {error}"
    said = OUT_OF_MEMORY.search(words.encode(errors="replace"))
    return isinstance(error, MemoryError) or said is not None


def brief(error: BaseException | str, most: int = 300) -> str:
    """The essence of a message in one line, cut between words where it is long.

    Omits details meant for library developers: colours, stacks and graph nodes (TensorFlow), call
    arguments (Keras).
    """
    text = _END.split(_NOISE.sub("", str(error)), maxsplit=1)[0]
    words = " ".join(text.split()).rstrip(" ,;:")
    if len(words) <= most:
        return words
    start = words[: most - 1]
    return (start.rpartition(" ")[0].rstrip(" ,;:") or start) + " …"


def explained(error: BaseException) -> str:
    """Return a library's error in one line: type, message, and advice if known."""
    kind = type(error).__name__
    words = f"{kind}: {brief(error).removeprefix(f'{kind}: ')}".removesuffix(": ")
    hints = (hint for evidence, hint in _WHAT_TO_TRY if evidence.search(str(error)))
    return f"{words} ({hint})" if (hint := next(hints, "")) else words


_NOISE = re.compile(
    r"\x1b\[[0-9;]*m"
    r"|\{\{function_node [^}]*\}\}"
    r"|^Graph execution error:$|^in user code:$|^Detected at node .*$|^Node: '.*$"
    r'|^ *File "[^"]*", line \d+, in .*\n(?:[^\n]*\S[^\n]*\n)?',  # and the line of source below
    re.MULTILINE,
)
_END = re.compile(
    r"\[\[\{\{node|\[Op:|Traceback \(most recent call|Arguments received by"
    r"|List of objects that could not|, in file tensorflow/"
)
_WHAT_TO_TRY = (
    (
        re.compile(r"could not (?:create|execute) a primitive|oneDNN", re.IGNORECASE),
        "oneDNN failed, often for lack of memory: try a smaller batch or fewer jobs at once, or "
        "TF_ENABLE_ONEDNN_OPTS=0",
    ),
    (re.compile(r"\bXLA\b|jit_compile"), "XLA cannot compile it: try another runtime"),
    (
        re.compile(r"CUDA|cuDNN|CUBLAS"),
        "the GPU libraries failed: try CUDA_VISIBLE_DEVICES=-1",
    ),
)


class CnnbenchError(Exception):
    """The base of every error that this package raises on purpose."""


class UserError(CnnbenchError):
    """The user's mistake: shown as one clear line, exit code 2, no traceback.

    Args:
        what: what is wrong, in words, with the offending value.
        where: the file and the place in it, or the option; empty where there is none.
        hint: what was expected or what to do; empty where there is nothing to add.
    """

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(self.one_line())

    def one_line(self) -> str:
        """The whole message: ``where: what (hint)``."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text


def shown(value: Any) -> str:
    """A value as a message quotes it: cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python shows
        return "a number without end"
    return text if len(text) <= 60 else text[:57] + "..."


def all_of(problems: Sequence[UserError]) -> UserError:
    """One mistake as it is, several together."""
    return problems[0] if len(problems) == 1 else UserErrors(problems)


_MOST_SHOWN = 50


class UserErrors(UserError):
    """Several mistakes of one input, reported together, a line each."""

    def __init__(self, errors: Iterable[UserError]) -> None:
        self.errors = tuple(errors)
        lines = [error.one_line() for error in self.errors[:_MOST_SHOWN]]
        if more := len(self.errors) - len(lines):
            lines.append(f"and {more} more")
        super().__init__("\n".join(lines))


class Unavailable(CnnbenchError):
    """Something that is not here (data, weights, a GPU, an optional package).

    The job that needed it becomes ``skipped`` with this reason; it says how to provide it.
    """


class JobFailed(CnnbenchError):
    """A job that cannot give a number, for a reason known in words (``diverged at epoch 2``)."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """``did you mean 'X'?`` for the valid name closest to ``name``, or an empty string.

    Case, ``_`` and ``-`` do not count in the comparison.
    """
    known = {plain(candidate): candidate for candidate in valid}
    close = difflib.get_close_matches(plain(name), known, n=1, cutoff=0.6)
    return f"did you mean '{known[close[0]]}'?" if close else ""


def one_of(name: str, valid: Iterable[str], where: str, of_what: str) -> str:
    """The one of ``valid`` that ``name`` means; case, ``_`` and ``-`` do not count.

    Raises:
        UserError: none of them; the nearest is named, or all of them.
    """
    candidates = list(dict.fromkeys(valid))
    found = {plain(candidate): candidate for candidate in candidates}.get(plain(name))
    if found is None:
        hint = nearest(name, candidates) or "one of: " + ", ".join(candidates)
        raise UserError(f"'{name}' is not in {of_what}", where, hint)
    return found


def plain(name: str) -> str:
    """``name`` without what does not count when names are compared: case, ``_`` and ``-``."""
    return name.lower().replace("_", "").replace("-", "")
