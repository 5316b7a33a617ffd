"""Operations of a counted network: what a runtime folds and fuses is no operation of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cnnbench.analysis.graph import Call, Graph, Op, Tensor
from cnnbench.analysis.rule import Rule, Storage
from cnnbench.analysis.work import Work
from cnnbench.forecast.operations import Operation, of_graph

ALIAS = Rule(storage=Storage.ALIAS)


def conv(filters: int, size: int = 3, groups: int = 1, act: str = "linear") -> Any:
    activation = SimpleNamespace(__name__=act)
    return SimpleNamespace(kernel_size=(size, size), groups=groups, activation=activation)


class Builder:
    """A network of single calls, each of one input unless others are given."""

    def __init__(self, *shape: int) -> None:
        self.input = Tensor((1, *shape))
        self.ops: list[Op] = []

    def add(
        self,
        kind: str,
        source: Tensor | tuple[Tensor, ...],
        shape: tuple[int, ...],
        work: Work,
        layer: Any = None,
        rule: Rule | None = None,
    ) -> Tensor:
        inputs = source if isinstance(source, tuple) else (source,)
        output = Tensor((1, *shape))
        layer = layer or SimpleNamespace()
        self.ops.append(Op(Call(kind, kind, layer), kind, rule, layer, {}, inputs, (output,), work))
        return output

    def of(self, *outputs: Tensor) -> list[Operation]:
        return of_graph(Graph((self.input,), self.ops, outputs))


def test_normalisation_and_relu_behind_a_convolution_are_no_operations() -> None:
    net = Builder(8, 8, 3)
    made = net.add("Conv2D", net.input, (8, 8, 16), Work(macs=8 * 8 * 16 * 27), conv(16))
    made = net.add("BatchNormalization", made, (8, 8, 16), Work(batch_norm=1024))
    made = net.add("ReLU", made, (8, 8, 16), Work(elementwise=1024))
    assert net.of(made) == [
        Operation(
            "convolution", 27648, reads=192, writes=1024, weights=432, inputs=3, outputs=16,
            window=9, groups=1, positions=64,
        )
    ]  # fmt: skip


def test_a_normalisation_that_reads_no_convolution_remains() -> None:
    net = Builder(4, 4, 8)
    made = net.add("BatchNormalization", net.input, (4, 4, 8), Work(batch_norm=128))
    made = net.add("Activation", made, (4, 4, 8), Work(elementwise=128), conv(8, act="relu"))
    assert [one.kind for one in net.of(made)] == ["elementwise"]


def test_an_output_that_is_read_twice_cannot_be_folded_into() -> None:
    net = Builder(4, 4, 8)
    first = net.add("Conv2D", net.input, (4, 4, 8), Work(macs=1024), conv(8, 1))
    second = net.add("BatchNormalization", first, (4, 4, 8), Work(batch_norm=128))
    both = net.add("Add", (first, second), (4, 4, 8), Work(elementwise=128))
    assert [one.kind for one in net.of(both)] == ["convolution", "elementwise", "elementwise"]


def test_relu_behind_an_addition_is_fused_and_swish_is_an_operation() -> None:
    net = Builder(4, 4, 8)
    made = net.add("Add", (net.input, net.input), (4, 4, 8), Work(elementwise=128))
    made = net.add("ReLU", made, (4, 4, 8), Work(elementwise=128))
    made = net.add("Activation", made, (4, 4, 8), Work(elementwise=128), conv(8, act="silu"))
    assert [one.kind for one in net.of(made)] == ["elementwise", "activation"]


def test_the_activation_of_a_layer_costs_unless_it_is_a_clamp() -> None:
    kinds = {}
    for name in ("relu", "silu"):
        net = Builder(4, 4, 8)
        made = net.add("Conv2D", net.input, (4, 4, 8), Work(macs=1024), conv(8, 1, act=name))
        kinds[name] = [one.kind for one in net.of(made)]
    assert kinds == {"relu": ["convolution"], "silu": ["convolution", "activation"]}


def test_a_separable_convolution_is_two_operations() -> None:
    net = Builder(8, 8, 4)
    layer = SimpleNamespace(kernel_size=(3, 3), depth_multiplier=2, activation=None)
    made = net.add("SeparableConv2D", net.input, (8, 8, 16), Work(macs=64 * 8 * 25), layer)
    depthwise, pointwise = net.of(made)
    assert (depthwise.kind, depthwise.macs, depthwise.weights) == ("depthwise", 64 * 8 * 9, 72)
    assert (pointwise.kind, pointwise.macs, pointwise.weights) == ("convolution", 64 * 8 * 16, 128)


@pytest.mark.parametrize(
    ("groups", "kind", "weights"), [(2, "convolution", 288), (8, "depthwise", 72)]
)
def test_groups_of_one_channel_make_a_convolution_depthwise(
    groups: int, kind: str, weights: int
) -> None:
    net = Builder(4, 4, 8)
    work = Work(macs=128 * 9 * 8 // groups)
    made = net.add("Conv2D", net.input, (4, 4, 8), work, conv(8, 3, groups))
    (found,) = net.of(made)
    assert (found.kind, found.weights, found.macs) == (kind, weights, work.macs)


def test_what_renames_data_is_no_operation_and_what_moves_it_is_a_copy() -> None:
    net = Builder(4, 4, 8)
    flat = net.add("Flatten", net.input, (128,), Work(), rule=ALIAS)
    dense = net.add("Dense", flat, (10,), Work(macs=1280))
    made = net.add("Concatenate", (dense, dense), (20,), Work())
    assert [(one.kind, one.weights) for one in net.of(made)] == [("dense", 1280), ("copy", 0)]


def test_numbers_are_per_image_of_a_graph_of_several() -> None:
    source, output = (Tensor((4, 2, 2, 8), images=4) for _ in range(2))
    layer = conv(8, 1)
    op = Op(
        Call("c", "Conv2D", layer), "Conv2D", None, layer, {}, (source,), (output,),
        Work(macs=4 * 4 * 64),
    )  # fmt: skip
    (found,) = of_graph(Graph((source,), [op], (output,), images=4))
    assert (found.macs, found.reads, found.writes, found.positions) == (256, 32, 32, 4)


def test_json_is_read_as_it_was_written_and_nothing_else_is_read() -> None:
    one = Operation("pooling", 0, 10, 5, window=4)
    assert Operation.from_json(one.to_json()) == one
    for wrong in (
        ["magic", *range(9)],
        ["copy", 1, 2],
        ["copy", *["1"] * 9],
        ["copy", *[True] * 9],
    ):
        with pytest.raises(ValueError, match="not an operation"):
            Operation.from_json(wrong)
