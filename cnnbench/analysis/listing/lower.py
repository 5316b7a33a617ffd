"""Convert a traced model to operations: one per call of a known layer, else one per node.

The traced graph is interpreted symbolically, in execution order. Functions are entered, loop bodies
run as often as can be proved, and of a condition with unknown outcome the most expensive branch is
counted. Operations that no output needs, or that depend on weights alone, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import TRACED, Call, Graph, Op, Tensor, Uncounted
from cnnbench.analysis.layers.rules import find_rule, has_own_arithmetic
from cnnbench.analysis.listing import control, loops
from cnnbench.analysis.listing.calls import Group, Recorded, layer_op
from cnnbench.analysis.listing.functions import (
    CALLS,
    CONDITIONS,
    LOOPS,
    body_of,
    needed,
    read_outputs,
)
from cnnbench.analysis.listing.loops import Scope, Unknown
from cnnbench.analysis.listing.trace import Trace
from cnnbench.analysis.operations import arithmetic
from cnnbench.analysis.operations.kinds import SAME, SHAPES, kind_of
from cnnbench.analysis.work import NOTHING


def lower(trace: Trace, model: Any) -> Graph:
    """Return the operations of a traced model."""
    return Lowering(trace, model).run()


class Lowering:
    """Symbolic interpreter of a trace."""

    def __init__(self, trace: Trace, model: Any) -> None:
        self.trace = trace
        self.outside = Call(model.name, type(model).__name__, model)
        self.graph = Graph((), images=trace.batch, method=TRACED)
        self.group: Group | None = None
        self.unsized: set[Tensor] = set()
        self.known_calls: dict[tuple[int, Recorded], bool] = {}

    def trial(self) -> Lowering:
        """Return an empty copy, to find the cost of a branch."""
        return Lowering(self.trace, self.outside.layer)

    def run(self) -> Graph:
        """Return the whole graph."""
        scope = Scope(self.trace.graph, None, {})
        for tensor in (*self.trace.images, *self.trace.states):
            scope.values[tensor.name] = self.tensor(tensor)
        scope.trained.update(tensor.name for tensor in self.trace.trained)
        self.graph.inputs = tuple(scope.values[tensor.name] for tensor in self.trace.images)
        outputs = self.trace.graph.outputs
        self.run_graph(scope, outputs, self.outside, 1)
        found = [scope.value(tensor) for tensor in outputs]
        self.graph.outputs = tuple(dict.fromkeys(one for one in found if one is not None))
        return self.graph

    def run_graph(self, scope: Scope, outputs: Iterable[Any], outside: Call, times: int) -> None:
        """Interpret the nodes that ``outputs`` need; ``outside`` is the enclosing call."""
        outputs = list(outputs)
        wanted = needed(outputs)
        owners = self.trace.calls.owners(scope.graph)
        without_operations = self.trace.calls.without_operations(scope.graph)
        for place, node in enumerate(scope.graph.get_operations()):
            for made in without_operations.pop(place, ()):
                self._end_call(made, scope)
                self._add_identity(made, scope, wanted)
            if node not in wanted:
                continue
            owner = owners[place] if place < len(owners) else None
            self._end_call(owner, scope)
            if owner is not None and self.group is None:
                whole = self._known_call(owner, scope)
                self.group = Group(whole) if whole is not None else None
            call = owner.call if owner is not None else outside
            used = read_outputs(node, wanted, outputs) if node.type in CALLS else []
            self._step(node, scope, call, times, used)
        self._end_call(None, scope)

    def _end_call(self, owner: Recorded | None, scope: Scope) -> None:
        """End the current call of a layer unless ``owner``, the next call, is inside it."""
        group = self.group
        if group is None or group.made.graph is not scope.graph:
            return
        if owner is None or group.made not in owner.chain():
            self.group = None
            self._add_call(group, scope)

    def _known_call(self, owner: Recorded, scope: Scope) -> Recorded | None:
        """Return the outermost enclosing call that a rule covers as a whole."""
        for made in owner.chain():
            if made.graph is scope.graph:
                key = (id(scope), made)
                if key not in self.known_calls:
                    self.known_calls[key] = self._is_known(made, scope)
                if self.known_calls[key]:
                    return made
        return None

    def _is_known(self, made: Recorded, scope: Scope) -> bool:
        rule = find_rule(made.call.layer)
        if rule is None or has_own_arithmetic(made.call.layer) or not made.outputs:
            return False
        op = self._layer_op(made, scope, Group(made))
        return bool(op.inputs) and rule.count(op) is not None

    def _add_call(self, group: Group, scope: Scope) -> None:
        """Add the finished call of a layer to the graph."""
        if all(scope.value(tensor) is None for tensor in group.made.outputs):
            return  # not read, or computed from weights alone
        op = self._layer_op(group.made, scope, group)
        rule = op.rule
        if rule is None or not op.inputs:
            return
        op = self._with_new_outputs(op, group.made, scope)
        ruled = rule.count(op) or NOTHING
        is_sized = self.unsized.isdisjoint((*op.inputs, *op.outputs))
        if rule.final or (group.uncounted and is_sized):  # the operations do not suffice
            self.emit(op, work=ruled)
            return
        # The products come from the operations, the rest from the convention of the layer.
        uncounted = tuple(dict.fromkeys(group.uncounted))
        self.emit(op, work=ruled.with_macs(group.work.macs), uncounted=uncounted)

    def _add_identity(self, made: Recorded, scope: Scope, wanted: set[Any]) -> None:
        """Add a layer that returns its input, such as a dropout at inference."""
        is_here = all(tensor.graph is scope.graph for tensor in made.outputs)
        is_read = not wanted.isdisjoint(tensor.op for tensor in made.outputs)
        if self.group is None and is_here and is_read and self._known_call(made, scope) is made:
            op = self._layer_op(made, scope, Group(made))
            if op.is_alias:
                self.emit(self._with_new_outputs(op, made, scope))

    def _with_new_outputs(self, op: Op, made: Recorded, scope: Scope) -> Op:
        """Return a copy with new outputs if a layer returns its own inputs."""
        outputs = []
        for tensor, output in zip(made.outputs, op.outputs, strict=True):
            if output in op.inputs:
                output = scope.home(tensor).values[tensor.name] = replace(output)
            outputs.append(output)
        return replace(op, outputs=tuple(outputs))

    def _layer_op(self, made: Recorded, scope: Scope, group: Group) -> Op:
        layer = made.call.layer
        fixed: dict[str, Tensor] = {}

        def to_tensor(leaf: Any) -> Any:
            if not keras_api.is_tensor(leaf):
                return leaf
            found = scope.value(leaf)
            return found or fixed.setdefault(leaf.name, self.tensor(leaf))

        args = {name: keras_api.map_structure(arg, to_tensor) for name, arg in made.args.items()}
        outputs = [scope.value(tensor) or self.tensor(tensor) for tensor in made.outputs]
        return layer_op(made.call, find_rule(layer), args, outputs, tuple(group.nodes))

    def _step(self, node: Any, scope: Scope, call: Call, times: int, used: list[int]) -> None:
        graphs = tuple(scope.graphs())
        if node.type in CALLS and (body := body_of(node, graphs)) is not None:
            inner = self.passed(scope, body, node.inputs)
            self.run_graph(inner, [body.outputs[place] for place in used], call, times)
            for place in used:
                self.pass_value(body.outputs[place], inner, node.outputs[place], scope)
        elif node.type in LOOPS:
            control.loop(self, node, scope, call, times)
        elif node.type in CONDITIONS:
            control.condition(self, node, scope, call, times)
        else:
            self._operation(node, scope, call, times)

    def passed(self, scope: Scope, body: Any, inputs: Iterable[Any]) -> Scope:
        """Return the scope of a call of ``body`` with ``inputs``."""
        pairs = list(zip(body.inputs, inputs, strict=False))
        inner = Scope(body, scope, {here.name: there for here, there in pairs})
        for here, there in pairs:
            self.pass_value(there, scope, here, inner)
        return inner

    def pass_value(self, source: Any, scope: Scope, target: Any, other: Scope) -> None:
        """Give ``target`` in ``other`` the value of ``source`` in ``scope``."""
        value = scope.value(source)
        if value is not None:
            other.values[target.name] = value
        elif source.name in scope.home(source).trained:
            other.trained.add(target.name)

    def _operation(self, node: Any, scope: Scope, call: Call, times: int) -> None:
        """Interpret one TensorFlow operation."""
        values = [scope.value(tensor) for tensor in node.inputs]
        inputs = [value for value in values if value is not None]
        is_trained = any(
            value is None and tensor.name in scope.home(tensor).trained
            for value, tensor in zip(values, node.inputs, strict=True)
        )
        if not inputs or node.type in SHAPES:
            if is_trained:
                scope.trained.update(tensor.name for tensor in node.outputs)
            if self.group is not None:
                self.group.nodes.append((node, 0))
            return
        if node.type in SAME or (node.type == "TensorListStack" and inputs[0].elements):
            for source, target in zip(node.inputs, node.outputs, strict=False):
                self.pass_value(source, scope, target, scope)
            return
        outputs = self._outputs(node, scope)
        work, reason = arithmetic.count(node)
        name = f"{call.name} ({call.kind}: {node.type})"
        uncounted = [Uncounted(name, reason)] if reason else []
        if self.group is not None:
            self.group.work += work * times
            self.group.uncounted += uncounted
            self.group.nodes.append((node, times))
            return
        rule = None if uncounted else kind_of(node)
        op = Op(call, node.type, rule, None, {"values": values}, tuple(inputs), outputs)
        self.emit(
            op,
            work=work * times,
            uncounted=tuple(uncounted),
            is_trained=is_trained,
            is_weighted=work.macs > 0 and None in values[:2],
            nodes=((node, times),),
        )

    def _outputs(self, node: Any, scope: Scope) -> tuple[Tensor, ...]:
        """Return new symbolic tensors for the outputs of ``node``."""
        if node.type == "TensorListSetItem":
            item = node.inputs[2]
            length: int | None = None
            with suppress(Unknown):
                length = loops.list_length(node.inputs[0], scope)
            outputs = [self._made([length, *item.shape.as_list()], item.dtype.name)]
        else:
            outputs = [self.tensor(tensor) for tensor in node.outputs]
        for tensor, output in zip(node.outputs, outputs, strict=True):
            scope.values[tensor.name] = output
        return tuple(outputs)

    def tensor(self, tensor: Any) -> Tensor:
        """Return a new symbolic tensor for a TensorFlow tensor."""
        sizes = tensor.shape.as_list() if tensor.shape.rank is not None else [None]
        return self._made(sizes, tensor.dtype.base_dtype.name)

    def _made(self, sizes: list[int | None], dtype: str) -> Tensor:
        made = Tensor(tuple(size or 0 for size in sizes), dtype, self.trace.batch)
        if None in sizes:
            self.unsized.add(made)
        return made

    def emit(self, op: Op, **changed: Any) -> None:
        """Append ``op`` to the graph, with some attributes replaced."""
        self.graph.ops.append(replace(op, **changed))
        if not self.unsized.isdisjoint(op.outputs):
            self.graph.has_unknown_sizes = True

    def add_uncounted(self, node: Any, scope: Scope, call: Call, reason: str) -> None:
        """Record an operation that cannot be analysed."""
        values = [scope.value(tensor) for tensor in node.inputs]
        inputs = [value for value in values if value is not None]
        if not inputs:
            return
        uncounted = Uncounted(f"{call.name} ({call.kind}: {node.type})", reason)
        outputs = self._outputs(node, scope)
        if self.group is not None:
            self.group.uncounted.append(uncounted)
            return
        op = Op(call, node.type, None, None, {}, tuple(inputs), outputs)
        self.emit(op, uncounted=(uncounted,), nodes=((node, 1),))
