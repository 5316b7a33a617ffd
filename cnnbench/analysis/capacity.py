"""The largest batch whose inference fits a given memory."""

from __future__ import annotations

from cnnbench.analysis.graph import Graph
from cnnbench.analysis.liveness import liveness
from cnnbench.errors import UserError


def largest_batch(
    graph: Graph,
    weight_bytes: int,
    limit: float,
    dtype: str | None = None,
    in_place: bool = False,
) -> int:
    """The largest batch with ``weights + inference peak <= limit``; 0 where not one image fits.

    The input images and the runtime's own memory are not in it.

    Raises:
        UserError: the network takes one batch size only, or nothing in it depends on the batch.
    """
    if graph.images > 1:
        raise UserError("the network accepts only one batch size", "--fit")

    def fits(batch: int) -> bool:
        return weight_bytes + liveness(graph, batch, dtype, in_place).peak <= limit

    if not fits(1):
        return 0
    # What depends on the batch grows in proportion to it: the rest is the same for every batch.
    one, two = (liveness(graph, batch, dtype, in_place).peak for batch in (1, 2))
    if two == one:
        raise UserError("no activation depends on the batch", "--fit")
    batch = max(int((limit - weight_bytes - one) // (two - one)) + 1, 1)
    while not fits(batch):
        batch -= 1
    while fits(batch + 1):
        batch += 1
    return batch
