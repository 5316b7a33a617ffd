"""Loops and conditions of a traced graph: iteration counts and branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnbench.analysis.graph import Call, Loop, Op, Tensor, Uncounted
from cnnbench.analysis.listing import loops
from cnnbench.analysis.listing.functions import body_of, branches_of, places_read
from cnnbench.analysis.listing.loops import Scope, Unknown
from cnnbench.analysis.operations.kinds import ENTERING
from cnnbench.analysis.work import NOTHING

if TYPE_CHECKING:
    from cnnbench.analysis.listing.lower import Lowering


def loop(lowering: Lowering, node: Any, scope: Scope, call: Call, times: int) -> None:
    """Run the body of a loop if its iteration count can be proved, else report it as uncounted."""
    try:
        iterations = loops.iteration_count(node, scope)
    except Unknown as error:
        lowering.add_uncounted(node, scope, call, f"a loop whose length {error}")
        return
    body: Any = body_of(node, tuple(scope.graphs()))
    given: dict[str, Any] = {}
    inner = Scope(body, scope, given)
    start = len(lowering.graph.ops)
    entries: list[tuple[int, Tensor]] = []
    depends = _carried(node, body, scope)
    for place, (here, there) in enumerate(zip(body.inputs, node.inputs, strict=True)):
        inner.lists[here.name] = there
        if _is_unchanged(body, place):
            given[here.name] = there
            lowering.pass_value(there, scope, here, inner)
        elif place in depends:
            before = scope.value(there)
            entry = before and Tensor(before.sizes, before.dtype, before.images)
            inner.values[here.name] = entry = entry or lowering.tensor(here)
            entries.append((place, entry))
            if lowering.group is None and before is not None:
                op = Op(call, "Enter", ENTERING, None, {}, (before,), (entry,))
                lowering.emit(op)
                start = len(lowering.graph.ops)
    if iterations:
        lowering.run_graph(inner, body.outputs, call, times * iterations)
    for place, tensor in enumerate(node.outputs):
        lowering.pass_value(
            body.outputs[place] if iterations else node.inputs[place],
            inner if iterations else scope,
            tensor,
            scope,
        )
    if lowering.group is None and iterations > 1:
        carried = [(entry, inner.value(body.outputs[place])) for place, entry in entries]
        pairs = tuple((entry, made) for entry, made in carried if made is not None)
        lowering.graph.loops.append(Loop(start, len(lowering.graph.ops), iterations, pairs))


def condition(lowering: Lowering, node: Any, scope: Scope, call: Call, times: int) -> None:
    """Run the branch that is taken, or the most expensive one if that depends on the data."""
    branches = branches_of(node, tuple(scope.graphs()))
    if not branches:
        lowering.add_uncounted(node, scope, call, "a condition whose branches cannot be read")
        return
    given = list(node.inputs)[1:]
    try:
        chosen = int(loops.evaluate(node.inputs[0], scope))
        place = chosen if 0 <= chosen < len(branches) else len(branches) - 1
    except Unknown:
        costs = [_cost(lowering, body, given, scope, call, times) for body in branches]
        place = max(range(len(costs)), key=lambda each: costs[each])
        if len(set(costs)) > 1:
            reason = "which branch runs depends on the data: the most expensive is counted"
            lowering.graph.upper_bounds.append(
                Uncounted(f"{call.name} ({call.kind}: {node.type})", reason)
            )
    body = branches[place]
    inner = lowering.passed(scope, body, given)
    lowering.run_graph(inner, body.outputs, call, times)
    for made, tensor in zip(body.outputs, node.outputs, strict=False):
        lowering.pass_value(made, inner, tensor, scope)


def _cost(
    lowering: Lowering, body: Any, given: list[Any], scope: Scope, call: Call, times: int
) -> tuple[int, ...]:
    """Return the cost of a branch, for comparison; the graph is not changed."""
    trial = lowering.trial()
    inner = trial.passed(scope, body, given)
    trial.run_graph(inner, body.outputs, call, times)
    work = sum((op.work for op in trial.graph.ops), NOTHING)
    return len([1 for op in trial.graph.ops if op.uncounted]), work.macs, work.others()


def _is_unchanged(body: Any, place: int) -> bool:
    """Return whether a loop passes a variable on unchanged."""
    tensor = body.outputs[place]
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor is body.inputs[place]


def _carried(loop: Any, body: Any, scope: Scope) -> set[int]:
    """Indices of the loop variables that depend on the images in some iteration."""
    found = {p for p, tensor in enumerate(loop.inputs) if scope.value(tensor) is not None}
    reads = [places_read(body.inputs, [made]) for made in body.outputs]
    while more := {p for p, read in enumerate(reads) if read & found} - found:
        found |= more
    return found
