"""Variants: compression steps by name, ``pruned-50+ptq-int8``.

A variant is ``float32`` or one to three steps joined by ``+``, in the order of `steps.STEPS`:
prune, cluster, quantise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from cnnbench.errors import UserError, nearest, shown
from cnnbench.probes.compression.steps import STEPS, Step
from cnnbench.record import FLOAT32

GRAMMAR = (
    f"{FLOAT32}, or "
    + ", ".join(f"[{step.grammar}]" for step in STEPS.values())
    + ", joined by + in this order"
)

_EXAMPLES = (FLOAT32, *(word for step in STEPS.values() for word in step.examples))
_Step = TypeVar("_Step", bound=Step)


@dataclass(frozen=True)
class Variant:
    """Steps applied to a trained model, in the order of `steps.STEPS`, each at most once."""

    steps: tuple[Step, ...] = ()

    def step(self, kind: type[_Step]) -> _Step | None:
        """Return the step of this kind, or None."""
        return next((step for step in self.steps if isinstance(step, kind)), None)

    @property
    def is_fine_tuned(self) -> bool:
        """True if a step trains the model further."""
        return bool(self.stages)

    @property
    def stages(self) -> list[Variant]:
        """The variant up to and including each step that fine-tunes.

        ``pruned-50+clustered-16+ptq-int8`` has ``pruned-50`` and ``pruned-50+clustered-16``.
        """
        return [
            Variant(self.steps[:end])
            for end, step in enumerate(self.steps, start=1)
            if step.fine_tunes
        ]

    def __str__(self) -> str:
        return "+".join(map(str, self.steps)) or FLOAT32


def parse(text: str) -> Variant:
    """Return the variant that ``text`` names; case and spaces around ``+`` are ignored.

    Raises:
        UserError: not a variant; the hint is the nearest one, or the grammar.

    Example:
        >>> str(parse("Pruned-50.0 + PTQ-int8"))
        'pruned-50+ptq-int8'
    """
    words = [word.strip().lower() for word in text.split("+")]
    if words == [FLOAT32]:
        return Variant()
    steps = tuple(_step(word, text) for word in words)
    kinds = list(STEPS.values())
    order = [kinds.index(type(step)) for step in steps]
    if order != sorted(set(order)):
        is_repeated = len(set(order)) < len(order)
        what = "duplicate step" if is_repeated else "steps in the wrong order"
        raise UserError(
            f"{what} in {shown(text)}", hint=f"{', then '.join(STEPS)}; each at most once"
        )
    return Variant(steps)


def canonical(text: str) -> str:
    """Return the canonical name: ``Pruned-50.0`` becomes ``pruned-50``; raises as `parse`."""
    return str(parse(text))


def _step(word: str, text: str) -> Step:
    for kind in STEPS.values():
        step = kind.read(word)
        if step is not None:
            return step
    if word == FLOAT32:
        raise UserError("float32 cannot be combined with other steps", hint=GRAMMAR)
    hint = nearest(word, _EXAMPLES) or GRAMMAR
    raise UserError(f"unknown variant {shown(text)}", hint=hint)
