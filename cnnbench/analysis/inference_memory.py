"""Activation memory of inference: the bytes of layer outputs that are alive at every step.

The chapter's rule of thumb is "two consecutive layers". Exactly, an output is alive from the
operation that makes it to the last one that reads it (liveness, as in Aho et al., *Compilers*,
section 9.2.5), so skip connections and branches keep their tensors alive. The input image belongs
to the caller and is left out, as in the chapter's exercise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import add

from cnnbench.analysis.graph import Graph, Op, Tensor
from cnnbench.analysis.rule import Storage
from cnnbench.errors import UserError

# Activations that consist of several kernels, of which the last reads the input again.
_COMPOSED = frozenset({"silu", "swish", "hard_silu", "hard_swish", "gelu", "mish"})


@dataclass(frozen=True)
class Liveness:
    """The activation memory of one batch, in bytes.

    Attributes:
        made: for each operation, the bytes of its outputs in new memory.
        live: for each operation, the bytes that are alive while it runs: inputs, outputs and
            intermediate tensors, such as the scores of attention.
    """

    made: tuple[int, ...]
    live: tuple[int, ...]

    @property
    def total(self) -> int:
        """The sum of all outputs: the memory needed if nothing is ever freed."""
        return sum(self.made)

    @property
    def peak(self) -> int:
        """The most bytes that are alive at once."""
        return max(self.live, default=0)

    @property
    def peak_position(self) -> int:
        """The position of the operation at which the peak is first reached."""
        return self.live.index(self.peak)


def liveness(
    graph: Graph, batch: int = 1, dtype: str | None = None, in_place: bool = False
) -> Liveness:
    """Follow the buffers of ``graph`` through its execution order.

    Args:
        graph: the operations.
        batch: images in a batch.
        dtype: replaces the type of floating-point activations.
        in_place: element-wise layers overwrite an input of the same size that is not read again,
            as in compilers and LiteRT; except activations of several kernels (SiLU, GELU).
    """
    last = _last_uses(graph)
    buffers = {tensor: number for number, tensor in enumerate(graph.inputs)}
    size = dict.fromkeys(buffers.values(), 0)  # buffer -> bytes
    # Buffer -> the last position at which any view of it is read.
    death = {buffer: last[tensor] for tensor, buffer in buffers.items()}
    made, births, inside = [], [], []
    for position, op in enumerate(graph.ops):
        fresh = []
        for tensor in op.outputs:
            shared = _shared_buffer(op, tensor, position, buffers, size, death, in_place)
            buffer = len(size) if shared is None else shared
            if shared is None:
                size[buffer] = tensor.bytes(batch, dtype)
                fresh.append(buffer)
            buffers[tensor] = buffer
            death[buffer] = max(death.get(buffer, position), last.get(tensor, position))
        births.append(fresh)
        inside.append(_inside(op, batch, dtype))
        made.append(0 if op.is_alias else sum(one.bytes(batch, dtype) for one in op.outputs))
    live = _sweep(births, size, death)
    return Liveness(tuple(made), tuple(map(add, live, inside)))


def largest_batch(
    graph: Graph,
    weight_bytes: int,
    limit: float,
    dtype: str | None = None,
    in_place: bool = False,
) -> int:
    """Return the largest batch with ``weights + inference peak <= limit``; 0 if none fits.

    The input images and the runtime's own memory are not included.

    Raises:
        UserError: the network takes one batch size only, or nothing in it depends on the batch.
    """
    if graph.images > 1:
        raise UserError("the network accepts only one batch size", "--fit")

    def fits(batch: int) -> bool:
        return weight_bytes + liveness(graph, batch, dtype, in_place).peak <= limit

    if not fits(1):
        return 0
    # The peak is linear in the batch: a constant plus a part in proportion to it.
    one, two = (liveness(graph, batch, dtype, in_place).peak for batch in (1, 2))
    if two == one:
        raise UserError("no activation depends on the batch", "--fit")
    batch = max(int((limit - weight_bytes - one) // (two - one)) + 1, 1)
    while not fits(batch):
        batch -= 1
    while fits(batch + 1):
        batch += 1
    return batch


def _last_uses(graph: Graph) -> dict[Tensor, int]:
    last = dict.fromkeys(graph.inputs, -1)
    made = {tensor: position for position, op in enumerate(graph.ops) for tensor in op.outputs}
    for position, op in enumerate(graph.ops):
        for tensor in op.inputs:
            born = made.get(tensor, -1)
            ends = [
                loop.end - 1 for loop in graph.loops if born < loop.start <= position < loop.end
            ]
            last[tensor] = max(last.get(tensor, -1), position, *ends)
    last.update(dict.fromkeys(graph.outputs, len(graph.ops)))
    return last


def _inside(op: Op, batch: int, dtype: str | None) -> int:
    """Return the bytes of the intermediate tensors of ``op``, in the type of its output."""
    if op.rule is None or op.rule.holds_inside is None:
        return 0
    held = replace(op.output, sizes=(op.rule.holds_inside(op),))
    return held.bytes(batch, dtype)


def _shared_buffer(
    op: Op,
    tensor: Tensor,
    position: int,
    buffers: dict[Tensor, int],
    size: dict[int, int],
    death: dict[int, int],
    in_place: bool,
) -> int | None:
    """Return the buffer of an input that ``tensor`` shares, or None if it needs its own."""
    if op.rule is None or not op.inputs:
        return None
    if op.is_alias:
        return buffers.get(op.input)
    if op.rule.storage is Storage.IN_PLACE and in_place and not _reads_again(op):
        for source in op.inputs:
            buffer = buffers.get(source)
            if buffer is None:  # computed from weights alone
                continue
            dying = death[buffer] <= position
            if dying and size[buffer] and source.bytes(1) == tensor.bytes(1):
                return buffer
    return None


def _reads_again(op: Op) -> bool:
    """Return whether the activation reads its input until its last kernel, as x · sigmoid(x)."""
    return getattr(getattr(op.layer, "activation", None), "__name__", "") in _COMPOSED


def _sweep(births: list[list[int]], size: dict[int, int], death: dict[int, int]) -> tuple[int, ...]:
    """Return the live bytes at every position, each buffer from its birth to its death."""
    freed: dict[int, int] = {}
    live, now = [], 0
    for position, fresh in enumerate(births):
        for buffer in fresh:
            now += size[buffer]
            freed[death[buffer]] = freed.get(death[buffer], 0) + size[buffer]
        live.append(now)
        now -= freed.get(position, 0)
    return tuple(live)
