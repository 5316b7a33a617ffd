"""A compression step: ``rounded-N`` rounds every kernel to N binary places."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cnnbench.errors import UserError
from cnnbench.probes.compression.steps.base import Step, amount_of


@dataclass(frozen=True)
class Rounded(Step):
    places: int

    grammar = "rounded-N"
    examples = ("rounded-4",)
    uncovered = "unrounded"

    @classmethod
    def read(cls, word: str) -> Self | None:
        places = amount_of(word, "rounded")
        if places is None:
            return None
        if places not in range(17):
            raise UserError(f"{places:g} binary places are out of range", hint="0 to 16")
        return cls(int(places))

    def __str__(self) -> str:
        return f"rounded-{self.places}"

    def apply(self, model: Any, variant: Any, tuning: Any) -> Any:
        """Round the weights in place; ``tuning.fit(model, "rounding")`` would train further."""
        rounded = [w if w.ndim < 2 else self._round(w) for w in model.get_weights()]
        model.set_weights(rounded)
        return model

    def covers(self, kernel: Any, variant: Any) -> bool:
        return bool((kernel.values == self._round(kernel.values)).all())

    def _round(self, values: np.ndarray) -> np.ndarray:
        return np.round(values * 2**self.places) / 2**self.places
