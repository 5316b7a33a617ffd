"""Base and quantities of everything that is read from a suite."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from cnnbench import units
from cnnbench.errors import UserError


def _parsed(unit: units.Unit) -> BeforeValidator:
    def parse(value: Any) -> float:
        if not isinstance(value, str | int | float):
            raise ValueError("not a quantity")
        try:
            return units.parse(value, unit)
        except UserError as error:
            raise ValueError(error.one_line()) from None

    return BeforeValidator(parse)


def _no_repeats(values: list[Any]) -> list[Any]:
    seen: set[str] = set()
    for word in map(repr, values):
        if word in seen:
            raise ValueError(f"{word} stands in the list twice")
        seen.add(word)
    return values


def _large_enough(size: int) -> int:
    """A process's memory; ``8`` where ``8GiB`` was meant would stop all of them."""
    if size < 10**6:
        raise ValueError(f"{size} bytes hold no process; write the unit, as 8GiB")
    return size


Seconds = Annotated[float, _parsed("s"), Field(gt=0, le=30 * 24 * 3600)]
Bytes = Annotated[int, _parsed("bytes"), PlainSerializer(int), AfterValidator(_large_enough)]
Fraction = Annotated[float, _parsed("fraction"), Field(gt=0, lt=1)]
BatchSize = Annotated[int, Field(strict=True, ge=1, le=65536)]
Distinct = BeforeValidator(lambda value: _no_repeats(value if isinstance(value, list) else [value]))
BatchSizes = Annotated[list[BatchSize], Distinct, Field(min_length=1)]


class StrictModel(BaseModel):
    """The base of everything that is read from a suite: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
