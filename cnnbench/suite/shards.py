"""Shards: parts of a plan for machines that share nothing, the same division on each of them.

The division depends on nothing but the cells, never on the machine or on earlier runs. Cells stay
whole. In one shard stay also

- the cells that are timed in rounds with one setting: their numbers are compared with one another;
- the cells of a model and a probe whose cells share files, as the variants of a trained network do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from cnnbench.errors import UserError
from cnnbench.metrics import column
from cnnbench.suite.plan import Cell

_TEXT = re.compile(r"(\d{1,6})/(\d{1,6})")
# Rough costs that balance the shards; no number is made from them.
_COUNTING_S, _PROCESS_S, _PIXELS_PER_S = 0.5, 10.0, 5e6


@dataclass(frozen=True)
class Shard:
    """One of several parts of a plan.

    Attributes:
        number: of this part, from 1.
        count: number of parts.
    """

    number: int
    count: int

    @classmethod
    def read(cls, text: str, where: str = "--shard") -> Self:
        """Read ``2/5``.

        Raises:
            UserError: it is not a number of a part and the number of parts.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise UserError(f"'{text}' is not K/N", where, "for example 2/5, the second of five")
        number, count = map(int, found.groups())
        if not 1 <= number <= count:
            what = f"there is no part {number} of {count}"
            hint = f"from 1/{count} to {count}/{count}" if count else "for example 2/5"
            raise UserError(what, where, hint)
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def part(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Return the cells of this shard, in their order; there may be none."""
        mine = {
            cell.key for block in _divided(cells, self.count)[self.number - 1] for cell in block
        }
        return tuple(cell for cell in cells if cell.key in mine)


_Block = list[Cell]


def _divided(cells: Sequence[Cell], count: int) -> list[list[_Block]]:
    """Return the blocks of each shard: the longest first, each to the shard with the least work."""
    shards: list[list[_Block]] = [[] for _ in range(count)]
    loads = [0.0] * count
    sized = [(math.fsum(map(_seconds, block)), block) for block in _blocks(cells)]
    for seconds, block in sorted(sized, key=lambda one: (-one[0], min(c.key for c in one[1]))):
        least = min(range(count), key=lambda number: (loads[number], number))
        shards[least].append(block)
        loads[least] += seconds
    return shards


def _blocks(cells: Iterable[Cell]) -> list[_Block]:
    """Return the groups of cells that stay in one shard."""
    block_of: dict[str, _Block] = {}  # reason to stay together -> cells
    for cell in cells:
        reasons = [cell.key, *_reasons(cell)]
        joined = {id(found): found for r in reasons if (found := block_of.get(r)) is not None}
        first, *others = list(joined.values()) or [_Block()]
        first.append(cell)
        for other in others:
            first += other
        of_others = {id(other) for other in others}
        moved = [reason for reason, block in block_of.items() if id(block) in of_others]
        block_of |= dict.fromkeys([*reasons, *moved], first)
    return list({id(block): block for block in block_of.values()}.values())


def _reasons(cell: Cell) -> Iterator[str]:
    """Yield what a cell has in common with those that stay in its shard."""
    setting = cell.setting
    if setting.shares_files:
        yield f"{cell.probe} of {cell.model.label}"
    if cell.rule.precision is not None:
        yield from (column(name, setting.label_for(name)) for name in setting.primary_metrics())


def _seconds(cell: Cell) -> float:
    """Return a rough duration of a cell, from what the plan says about it alone."""
    if cell.setting.is_light:
        return _COUNTING_S
    trained = cell.setting.training_pixels(cell.input_and_classes[0])
    return cell.rule.at_least * (_PROCESS_S + trained / _PIXELS_PER_S)
