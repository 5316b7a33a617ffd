"""Exceptions and their one-line messages.

``CnnbenchError`` is the base of every exception that cnnbench raises on purpose:

- `UserError`: wrong input; shown without a traceback, exit code 2. `UserErrors`: several together.
- `Unavailable`: something is missing on this machine; the job is ``skipped``.
- `JobFailed`: a job cannot produce a number; the job is ``failed``.

Every message is one line that says what is wrong, where, what was expected and what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

_MOST_REPORTED = 50  # mistakes of one input
_LONGEST_VALUE = 60  # characters of a quoted value
_MOST_LISTED = 20  # valid names in a hint
_MOST_COMPARED = 5  # names similar to an unknown one

# Text in a process's output that shows it ran out of memory: evidence for the status ``oom``.
OUT_OF_MEMORY = re.compile(
    rb"ResourceExhausted|RESOURCE_EXHAUSTED|bad_alloc|OOM when allocating|MemoryError"
)


class CnnbenchError(Exception):
    """Base of every exception that cnnbench raises on purpose."""


class UserError(CnnbenchError):
    """Wrong input from the user: shown as one line without a traceback, exit code 2.

    Args:
        what: what is wrong, with the offending value.
        where: file and line, or the option; empty if there is none.
        hint: what was expected or what to do; empty if there is nothing to add.

    Example:
        >>> str(UserError("unknown key 'probe'", "suite.yaml:3", "did you mean 'probes'?"))
        "suite.yaml:3: unknown key 'probe' (did you mean 'probes'?)"
    """

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(self.one_line())

    def one_line(self) -> str:
        """Return the whole message: ``where: what (hint)``."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text


class UserErrors(UserError):
    """Several mistakes in one input, reported together, one per line."""

    def __init__(self, errors: Iterable[UserError]) -> None:
        self.errors = tuple(errors)
        lines = [error.one_line() for error in self.errors[:_MOST_REPORTED]]
        if more := len(self.errors) - len(lines):
            lines.append(f"and {more} more")
        super().__init__("\n".join(lines))


class Unavailable(CnnbenchError):
    """Something is missing on this machine: data, weights, a GPU, an optional package.

    The job that needs it becomes ``skipped`` with this reason, which says how to provide it.
    """


class JobFailed(CnnbenchError):
    """A job cannot produce a number, for a known reason (``diverged at epoch 2``)."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out, whichever library raised it.

    Code that converts arbitrary exceptions into its own must re-raise such an exception unchanged.
    """
    text = f"{type(error).__name__}: {error}"
    evidence = OUT_OF_MEMORY.search(text.encode(errors="replace"))
    return isinstance(error, MemoryError) or evidence is not None


def brief(error: BaseException | str, most: int = 300) -> str:
    """Return a message in one line of at most ``most`` characters, cut between words.

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
    """Return a library's exception in one line: its type, its `brief` message, advice if known."""
    kind = type(error).__name__
    words = f"{kind}: {brief(error).removeprefix(f'{kind}: ')}".removesuffix(": ")
    hints = (hint for evidence, hint in _ADVICE if evidence.search(str(error)))
    return f"{words} ({hint})" if (hint := next(hints, "")) else words


def shown(value: Any) -> str:
    """Return ``repr(value)`` as a message quotes it, cut if it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python converts
        return "a number with too many digits"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def all_of(problems: Sequence[UserError]) -> UserError:
    """Return a single mistake as it is, several as one `UserErrors`."""
    return problems[0] if len(problems) == 1 else UserErrors(problems)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``did you mean 'X'?`` for the valid name closest to ``name``, or an empty string.

    A name is close if a typing error explains the difference (one character in four is another),
    or if one of the two begins with the other. Names are compared as `plain` returns them.
    """
    wanted = plain(name)
    known = {plain(candidate): candidate for candidate in valid}
    similar = difflib.get_close_matches(wanted, known, n=_MOST_COMPARED, cutoff=0.6)
    distances = {one: _edits(wanted, one) for one in similar}
    most = max(1, len(wanted) // 4)
    close = [
        one
        for one in sorted(similar, key=distances.__getitem__)
        if distances[one] <= most or one.startswith(wanted) or wanted.startswith(one)
    ]
    return f"did you mean '{known[close[0]]}'?" if close else ""


def _edits(a: str, b: str) -> int:
    """Return how many characters to insert, delete, replace or swap with the next turn a into b."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for row, x in enumerate(a, 1):
        current = [row]
        for column, y in enumerate(b, 1):
            best = min(last[column] + 1, current[-1] + 1, last[column - 1] + (x != y))
            if row > 1 and column > 1 and x == b[column - 2] and y == a[row - 2]:
                best = min(best, before[column - 2] + 1)
            current.append(best)
        before, last = last, current
    return last[-1]


def nearest_or_all(name: str, valid: Iterable[str]) -> str:
    """Return the hint for an unknown name: the `nearest` valid one, or the list, cut if long."""
    candidates = list(dict.fromkeys(valid))
    listed = candidates[:_MOST_LISTED]
    more = f" and {len(candidates) - len(listed)} more" if len(candidates) > len(listed) else ""
    return nearest(name, candidates) or f"one of: {', '.join(listed)}{more}"


def one_of(name: str, valid: Iterable[str], where: str, of_what: str) -> str:
    """Return the entry of ``valid`` that equals ``name``, compared as `plain` returns them.

    Raises:
        UserError: no entry matches; the hint is the nearest one, or the whole list.
    """
    candidates = list(dict.fromkeys(valid))
    found = {plain(candidate): candidate for candidate in candidates}.get(plain(name))
    if found is None:
        raise UserError(f"'{name}' is not in {of_what}", where, nearest_or_all(name, candidates))
    return found


def plain(name: str) -> str:
    """Return ``name`` for comparisons that ignore case, ``_`` and ``-``."""
    return name.lower().replace("_", "").replace("-", "")


_NOISE = re.compile(
    r"\x1b\[[0-9;]*m"
    r"|\{\{function_node [^}]*\}\}"
    r"|^Graph execution error:$|^in user code:$|^Detected at node .*$|^Node: '.*$"
    r'|^ *File "[^"]*", line \d+, in .*\n(?:[^\n]*\S[^\n]*\n)?',  # and the source line below it
    re.MULTILINE,
)
_END = re.compile(
    r"\[\[\{\{node|\[Op:|Traceback \(most recent call|Arguments received by"
    r"|List of objects that could not|, in file tensorflow/"
)
_ADVICE = (
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
