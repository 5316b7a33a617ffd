"""Shards: every cell in exactly one, comparable cells together, the same division everywhere."""

from __future__ import annotations

from collections import Counter

import pytest

from cnnbench.errors import UserError
from cnnbench.suite.plan import Cell, Plan
from cnnbench.suite.shards import Shard
from tests.suite.fake import plan_of

SUITE = """
name: small
models: [Alpha, Beta, MobileNetV2]
probes:
  static: {batch_sizes: [1, 32]}
  latency: {runtimes: [graph, litert], min_rounds: 2, max_rounds: 3}
  accuracy: [{dataset: digits, image_size: 32, epochs: 4, seeds: 2}]
"""


def shards(plan: Plan, count: int) -> list[tuple[Cell, ...]]:
    return [Shard(number, count).part(plan.cells) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 40])
def test_every_cell_is_in_one_shard_in_the_order_of_the_plan(count: int) -> None:
    plan = plan_of(SUITE)
    parts = shards(plan, count)
    found = Counter(cell.key for part in parts for cell in part)
    assert found == Counter(cell.key for cell in plan.cells)
    order = [cell.key for cell in plan.cells]
    for part in parts:
        places = [order.index(cell.key) for cell in part]
        assert places == sorted(places)


def test_cells_that_are_timed_with_one_setting_are_in_one_shard() -> None:
    parts = shards(plan_of(SUITE), 5)
    for label in ("cpu/graph/b1", "cpu/litert/b1"):
        holders = [
            [cell.model.label for cell in part if cell.setting.label() == label] for part in parts
        ]
        assert [found for found in holders if found] == [["Alpha", "Beta", "MobileNetV2"]]


def test_work_is_divided_evenly() -> None:
    plan = plan_of("""
name: trained
models: [Alpha, Beta, MobileNetV2]
probes: {accuracy: [{dataset: digits, image_size: 32, epochs: 4, seeds: 2}]}
""")
    assert [len(part) for part in shards(plan, 3)] == [1, 1, 1]
    assert sorted(len(part) for part in shards(plan, 2)) == [1, 2]


def test_the_variants_of_a_trained_network_are_in_one_shard() -> None:
    plan = plan_of("""
name: compressed
models: [Alpha, Beta]
probes: {compression: {training: {dataset: digits, image_size: 32, epochs: 1}}}
""")
    parts = [part for part in shards(plan, 4) if part]
    assert [len(part) for part in parts] == [len(plan.cells)], "timed with one setting, too"


def test_the_division_depends_on_the_cells_alone() -> None:
    other = plan_of(SUITE.replace("[Alpha, Beta, MobileNetV2]", "[MobileNetV2, Beta, Alpha]"))
    for ours, theirs in zip(shards(plan_of(SUITE), 3), shards(other, 3), strict=True):
        assert {cell.key for cell in ours} == {cell.key for cell in theirs}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/5", "--shard: there is no part 0 of 5 (from 1/5 to 5/5)"),
        ("6/5", "--shard: there is no part 6 of 5 (from 1/5 to 5/5)"),
        ("1/0", "--shard: there is no part 1 of 0 (for example 2/5)"),
        ("x", "--shard: 'x' is not K/N (for example 2/5, the second of five)"),
        ("-1/5", "--shard: '-1/5' is not K/N (for example 2/5, the second of five)"),
        ("1.5/2", "--shard: '1.5/2' is not K/N (for example 2/5, the second of five)"),
        ("", "--shard: '' is not K/N (for example 2/5, the second of five)"),
    ],
)
def test_a_mistake_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        Shard.read(text)
    assert error.value.one_line() == message
