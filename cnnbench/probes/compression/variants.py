"""What can be done to a trained network, as words: ``pruned-50+ptq-int8``.

A variant is up to three steps in this order, joined by ``+``: prune, cluster, quantise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from cnnbench.errors import UserError, nearest

Quantisation = Literal["", "ptq-dynamic", "ptq-float16", "ptq-int8", "qat-int8"]

FLOAT32 = "float32"
QUANTISATIONS: tuple[Quantisation, ...] = ("ptq-dynamic", "ptq-float16", "ptq-int8", "qat-int8")
MOST_CLUSTERS = 256  # as many as a byte tells apart; beyond it no file becomes smaller
GRAMMAR = (
    "float32, or [pruned-PERCENT or pruned-2x4], [clustered-N] and one of "
    + ", ".join(QUANTISATIONS)
    + ", joined by + in this order"
)

_EXAMPLES = (FLOAT32, *QUANTISATIONS, "pruned-50", "pruned-2x4", "clustered-16")
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,6})?")


def named(model: str, variant: str) -> str:
    """A network as tables and messages name it: the variant where it is not plain float32."""
    return model if variant in ("", FLOAT32) else f"{model} {variant}"


@dataclass(frozen=True)
class Variant:
    """What is done to the trained network.

    Attributes:
        sparsity: the share of every kernel's weights that pruning sets to zero, or None.
        two_of_four: two zeros in every four weights that follow each other along the input
            channels.
        clusters: how many different values clustering leaves in a kernel, or None.
        quantisation: the last step, or ''.
    """

    sparsity: float | None = None
    two_of_four: bool = False
    clusters: int | None = None
    quantisation: Quantisation = ""

    @property
    def is_pruned(self) -> bool:
        return self.sparsity is not None

    @property
    def trained_steps(self) -> int:
        """How often the model-optimization toolkit fine-tunes it before it is converted."""
        return sum((self.is_pruned, self.clusters is not None, self.quantisation == "qat-int8"))

    @property
    def is_trained_further(self) -> bool:
        """Whether it is fine-tuned at all."""
        return self.trained_steps > 0

    @property
    def tuned_stages(self) -> list[Variant]:
        """The float networks on its way, each the one before and a step that trains.

        ``pruned-50+clustered-16+qat-int8`` has ``pruned-50`` and ``pruned-50+clustered-16``.
        """
        pruned = Variant(self.sparsity, self.two_of_four)
        clustered = replace(pruned, clusters=self.clusters)
        return [pruned] * self.is_pruned + [clustered] * (self.clusters is not None)

    def __str__(self) -> str:
        steps = []
        if self.two_of_four:
            steps.append("pruned-2x4")
        elif self.sparsity is not None:
            steps.append(f"pruned-{100 * self.sparsity:.6g}")
        if self.clusters is not None:
            steps.append(f"clustered-{self.clusters}")
        if self.quantisation:
            steps.append(self.quantisation)
        return "+".join(steps) or FLOAT32


def parse(text: str) -> Variant:
    """``pruned-50+ptq-int8`` as a `Variant`.

    Raises:
        UserError: not a variant; the nearest is named, or the grammar.
    """
    words = [word.strip().lower() for word in text.split("+")]
    if words == [FLOAT32]:
        return Variant()
    steps = [_step(word, text) for word in words]
    places = [place for place, _ in steps]
    if places != sorted(set(places)):
        twice = len(set(places)) < len(places)
        what = "a step stands there twice" if twice else "its steps are in another order"
        raise UserError(what, hint="prune, then cluster, then quantise, each once")
    merged: dict[str, object] = {}
    for _, fields in steps:
        merged |= fields
    return Variant(**merged)  # type: ignore[arg-type]


def canonical(text: str) -> str:
    """``Pruned-50.0`` -> ``pruned-50``; raises `UserError` as `parse`."""
    return str(parse(text))


def _step(word: str, text: str) -> tuple[int, dict[str, object]]:
    """The place of one step in the order, and the fields of a `Variant` that it sets."""
    if word == "pruned-2x4":
        return 0, {"sparsity": 0.5, "two_of_four": True}
    head, _, amount = word.partition("-")
    if head == "pruned" and _is_number(amount):
        return 0, {"sparsity": _share(float(amount))}
    if head == "clustered" and _is_number(amount):
        return 1, {"clusters": _clusters(float(amount))}
    if word in QUANTISATIONS:
        return 2, {"quantisation": word}
    if word == FLOAT32:
        raise UserError("float32 stands alone", hint=GRAMMAR)
    hint = nearest(word, _EXAMPLES)
    if head in ("pruned", "clustered"):
        hint = f"{head}-{'50' if head == 'pruned' else '16'}, say"
    raise UserError(f"unknown variant '{text}'", hint=hint or GRAMMAR)


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text.removeprefix("-")))


def _share(percent: float) -> float:
    if not 0 < percent < 100:
        raise UserError(
            f"a sparsity of {percent:g} %", hint="more than 0 and less than 100 per cent"
        )
    return percent / 100


def _clusters(count: float) -> int:
    if count != int(count) or not 2 <= count <= MOST_CLUSTERS:
        raise UserError(f"{count:g} clusters", hint=f"a whole number, 2-{MOST_CLUSTERS}")
    return int(count)
