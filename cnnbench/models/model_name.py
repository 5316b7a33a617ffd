"""Model names as text: ``MobileNetV2[alpha=0.5]``, ``MobileNetV2[alpha=0.35]+box[classes=10]``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cnnbench import named
from cnnbench.named import Named, Value
from cnnbench.text import natural

FEW = 6
"""So many models are named one by one in remarks, more by architecture."""

# A name, and what may follow it in brackets; the whole text of a head.
_HEAD = re.compile(r"\s*[A-Za-z_]\w*\s*(?:\[.*\]\s*)?", re.DOTALL)
# Brackets with what is in them, in which a + does not begin a head.
_INSIDE = re.compile(r"""\[(?:[^\]'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")*\]""", re.DOTALL)


@dataclass(frozen=True)
class ModelName:
    """A name with parameters, as written; a `ModelSource` interprets them.

    Attributes:
        name: a name of the catalogue, ``package.module:builder`` or a file.
        parameters: as in `Named`.
        text: exactly as written, so that another process can resolve it again.
        head: the head after a ``+``, with its parameters; None without one. Input shape and
            classes of the whole stand in its brackets.
    """

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()
    text: str = field(default="", compare=False)
    head: Named | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(sorted(self.parameters)))
        object.__setattr__(self, "text", self.text or str(self))

    def __str__(self) -> str:
        alone = str(Named(self.name, self.parameters))
        return alone if self.head is None else f"{alone}+{self.head}"

    @property
    def backbone(self) -> ModelName:
        """The name as a source of models resolves it: its text has no head."""
        return replace(self, text=self.text[: _before_head(self.text)])

    def text_with(self, backbone: str) -> str:
        """Return the text with another text of the backbone before the head."""
        return backbone + self.text[_before_head(self.text) :]


def parse(text: str) -> ModelName:
    """Read ``Name``, ``Name[alpha=0.5]``, or either with a head: ``Name+box[classes=10]``.

    Raises:
        UserError: an unbalanced bracket, a parameter without a value, or one that is given twice.
    """
    place = _before_head(text)
    backbone = named.parse(text[:place])
    head = None
    if place < len(text):
        head = named.parse(text[place + 1 :], "head", "box[classes=10]")
    return ModelName(backbone.name, backbone.parameters, text, head)


def by_architecture(labels: Iterable[str], most: int = FEW) -> list[str]:
    """Return ``labels``; more than ``most`` are counted by name and head: ``MobileNetV2 (6)``."""
    found = sorted(labels, key=natural)
    if len(found) <= most:
        return found
    counts: Counter[str] = Counter()
    for label in found:
        name = parse(label)
        counts[name.name if name.head is None else f"{name.name}+{name.head.name}"] += 1
    return [name if count == 1 else f"{name} ({count})" for name, count in counts.items()]


def _before_head(text: str) -> int:
    """Return the place of the ``+`` before the head; the length of the text without one.

    It is the last outside brackets, if a plain word follows: ``a+b.keras`` is a file.
    """
    outside = _INSIDE.sub(lambda match: " " * len(match[0]), text)
    place = outside.rfind("+")
    is_head = place > 0 and _HEAD.fullmatch(text, place + 1)
    return place if is_head else len(text)
