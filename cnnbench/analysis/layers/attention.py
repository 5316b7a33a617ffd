"""Attention: its arithmetic, and its scores, which are intermediate and can be most memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from cnnbench.analysis.graph import ITEM_BYTES, Op
from cnnbench.analysis.work import Work


@dataclass(frozen=True)
class _Projected:
    """Scaled dot-product attention with projections (Vaswani et al. 2017, section 3.2.2).

    Attributes:
        kept: number of repetitions: positions along the axes that it does not mix.
        targets, sources: queries, and keys with values.
        widths: of a query, a key, a value and the output.
        heads: of the queries, and of the keys and values.
        dims: of a key and a value in a head.
        biased: the projections have biases.
        drops: dropout of scores in training.
        gated: the output is multiplied by the sigmoid of one more projection of the queries
            (Qiu et al. 2025, Gated Attention, arXiv:2505.06708).
    """

    kept: int
    targets: int
    sources: int
    widths: tuple[int, int, int, int]
    heads: tuple[int, int]
    dims: tuple[int, int]
    biased: bool
    drops: bool
    gated: bool

    @property
    def scores(self) -> int:
        return self.targets * self.sources * self.heads[0]

    @property
    def gate(self) -> int:
        """Elements of the gate."""
        return self.targets * self.heads[0] * self.dims[1] * self.gated

    def work(self) -> Work:
        """Return the arithmetic, with ``t`` queries, ``s`` keys, ``h`` heads.

        Projections ``t h (d_q k + d_out v) + s h (d_k k + d_v v)``, scores ``t s h k``, weighted
        sum ``t s h v``; then biases, the scaling of the queries and one softmax element a score.
        """
        query, key, value, out = self.widths
        query_heads, value_heads = self.heads
        key_dim, value_dim = self.dims
        to_heads = self.sources * value_heads
        projected = self.targets * query_heads * (query * key_dim + value_dim * out)
        projected += to_heads * (key * key_dim + value * value_dim)
        bias = self.targets * (query_heads * key_dim + out) + to_heads * (key_dim + value_dim)
        gate = self.gate
        once = Work(
            macs=projected + self.scores * (key_dim + value_dim) + gate * query,
            bias=bias + gate if self.biased else 0,
            elementwise=self.targets * query_heads * key_dim + self.scores + 2 * gate,
        )
        return once * self.kept

    def held(self) -> int:
        """Return the intermediate elements at the peak: queries, keys, values and scores.

        Keys and values that groups of heads share are repeated for each head.
        """
        of_head = self.targets * self.dims[0] + self.sources * sum(self.dims)
        return self.kept * (of_head * self.heads[0] + self.scores)

    def needed(self) -> int:
        """Return the intermediate elements that the gradient reads.

        They are those of `held` (softmax outputs as scores), the weighted sums, and with dropout
        the remaining scores.
        """
        weighed = self.targets * self.heads[0] * self.dims[1]
        return self.held() + self.kept * (
            weighed + 2 * self.gate + _dropped(self.scores) * self.drops
        )


def projected(op: Op) -> _Projected:
    """Return the dimensions of a call of ``MultiHeadAttention`` or ``GroupedQueryAttention``.

    Groups of query heads share keys and values in the latter.
    """
    layer = op.layer
    query, value = op.args["query"], op.args["value"]
    key = value if op.args.get("key") is None else op.args["key"]
    rank = len(query.sizes)
    out = prod(op.output.sizes[rank - 1 :])  # may be several axes
    axes = [axis % rank for axis in getattr(layer, "_attention_axes", None) or range(1, rank - 1)]
    kept = prod(query.sizes[axis] for axis in range(1, rank - 1) if axis not in axes)
    if hasattr(layer, "num_query_heads"):
        heads = layer.num_query_heads, layer.num_key_value_heads
        dims = layer.head_dim, layer.head_dim
        options = layer.use_bias, layer.dropout, getattr(layer, "use_gate", False)
    else:
        heads = layer._num_heads, layer._num_heads
        dims = layer._key_dim, layer._value_dim
        options = layer._use_bias, layer._dropout, getattr(layer, "_use_gate", False)
    biased, dropout, gated = options
    return _Projected(
        kept * query.sizes[0],
        prod(query.sizes[axis] for axis in axes),
        prod(value.sizes[axis] for axis in axes),
        (query.sizes[-1], key.sizes[-1], value.sizes[-1], out),
        heads,
        dims,
        biased=bool(biased),
        drops=dropout > 0,
        gated=gated,
    )


def plain(op: Op) -> Work:
    """Luong: ``t s d`` for the scores, ``t s v`` for the sum, one softmax element a score.

    Additive (Bahdanau) has no product in its scores: add, tanh, scale and sum are 4 ``t s d``.
    """
    scores, depth = _scores(op), op.input.sizes[-1]
    weighted = scores * op.inputs[1].sizes[-1]
    if op.kind == "AdditiveAttention":
        return Work(macs=weighted, elementwise=4 * scores * depth + scores)
    scaled = scores if getattr(op.layer, "use_scale", False) else 0
    if getattr(op.layer, "score_mode", "dot") == "concat":
        return Work(macs=weighted, elementwise=3 * scores * depth + 2 * scores + scaled)
    return Work(macs=scores * depth + weighted, elementwise=scores + scaled)


def _dropped(scores: int) -> int:
    """Return what dropout of scores keeps, in float32 elements: the scores and a mask of bytes."""
    return scores + scores // ITEM_BYTES["float32"]


def _scores(op: Op) -> int:
    query, value = op.inputs[0], op.inputs[1]
    return query.sizes[0] * query.sizes[1] * value.sizes[1]


def held_by_plain(op: Op) -> int:
    """Return the intermediate elements: the scores, and for additive attention their sums."""
    is_sum = op.kind == "AdditiveAttention" or getattr(op.layer, "score_mode", "dot") == "concat"
    return _scores(op) * (1 + op.input.sizes[-1] * is_sum)


def needed_by_plain(op: Op) -> int:
    """Return the intermediate elements that the gradient reads: scores and weighted sums."""
    dropped = _dropped(_scores(op)) if getattr(op.layer, "dropout", 0) else 0
    return held_by_plain(op) + op.output.elements + dropped
