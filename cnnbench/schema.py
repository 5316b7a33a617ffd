"""Base model and field types of everything that is read from a suite."""

from __future__ import annotations

from dataclasses import dataclass
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


def without_duplicates(values: list[Any]) -> list[Any]:
    """Return ``values`` as they are.

    Raises:
        ValueError: a value occurs twice; ``1`` and ``1.0`` differ.
    """
    seen: set[str] = set()
    for text in map(repr, values):
        if text in seen:
            raise ValueError(f"duplicate value {text}")
        seen.add(text)
    return values


def _large_enough(size: int) -> int:
    """Reject a memory limit without its unit: 8 bytes for 8GiB would stop every process."""
    if size < 10**6:
        hint = f"did you mean {size}GiB?" if size < 1000 else "write for example 8GiB"
        raise ValueError(f"{size} bytes is too small; {hint}")
    return size


Seconds = Annotated[float, _parsed("s"), Field(gt=0, le=30 * 24 * 3600)]
Bytes = Annotated[int, _parsed("bytes"), PlainSerializer(int), AfterValidator(_large_enough)]
Fraction = Annotated[float, _parsed("fraction"), Field(gt=0, lt=1)]
BatchSize = Annotated[int, Field(strict=True, ge=1, le=65536)]
Distinct = BeforeValidator(
    lambda value: without_duplicates(value if isinstance(value, list) else [value])
)
BatchSizes = Annotated[list[BatchSize], Distinct, Field(min_length=1)]


@dataclass(frozen=True)
class _OnlyTrains:
    pass


ONLY_TRAINS = _OnlyTrains()
"""Metadata of an option that has no effect where nothing is trained."""


class StrictModel(BaseModel):
    """Base of everything that is read from a suite: frozen, rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def key_names(cls) -> list[str]:
        """Return the keys that a mapping of this schema may have, for hints."""
        return list(cls.model_fields)
