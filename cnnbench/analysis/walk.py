"""From a Keras model to its flat list of operations.

Nested models are entered, shared layers are listed at every call, and a layer whose ``call`` is
the user's own code is called symbolically, so that the layers inside it are seen one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import Graph, Op, Tensor
from cnnbench.analysis.inputs import Shape, input_shapes, is_known
from cnnbench.analysis.misfit import full_tracebacks, refusal
from cnnbench.analysis.rules import RESHAPING, find_rule
from cnnbench.core.errors import UserError

BARE_OPERATIONS = frozenset({"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"})


def walk(model: Any, input_shape: Sequence[int] | None = None, batch: int = 1) -> Graph:
    """List the operations of ``model``.

    Args:
        model: a Keras 2 or Keras 3 model, alive (inside ``weightless()`` if it was built there).
        input_shape: one image, without the batch axis, where the model leaves it open or another
            size is wanted.
        batch: used only where a network cannot be listed for an open batch size.

    Raises:
        UserError: the model has unknown dimensions, or cannot take the input shape.
    """
    own = keras_api.layer_graph(model)
    wanted = input_shapes(model, own, input_shape)
    if own and [keras_api.shape_of(tensor) for tensor in own.inputs] == wanted:
        graph = Walker().run_graph(model, own)
        if all(is_known(tensor.shape) for tensor in graph.tensors()):
            return graph
    graph = _called(model, wanted, own)
    if all(is_known(tensor.shape) for tensor in graph.tensors()):
        return graph
    return _fixed_batch(model, wanted, own, batch)


def _called(model: Any, wanted: list[Shape], own: Any) -> Graph:
    """The graph of ``model`` for the wanted shapes, or an error that says why there is none."""
    with full_tracebacks():
        try:
            return Walker().run_model(model, wanted, own)
        except UserError:
            raise
        except Exception as error:
            sizes = tuple(size or 0 for size in wanted[0][1:])

            def attempt(shape: tuple[int, ...]) -> Graph:
                return Walker().run_model(model, [(None, *shape), *wanted[1:]], own)

            raise refusal(f"'{model.name}'", sizes, error, attempt) from error


def _fixed_batch(model: Any, wanted: list[Shape], own: Any, batch: int) -> Graph:
    """The graph for one batch size: for networks that mix the batch axis with others."""
    graph = Walker().run_model(model, [(batch, *shape[1:]) for shape in wanted], own)
    graph.batch = batch
    for op in graph.ops:
        for tensor in op.outputs:
            if None in tensor.shape:
                raise UserError(
                    f"the output shape {tensor.shape} of layer '{op.name}' is unknown",
                    hint="give a full --input-shape",
                )
    return graph


class Walker:
    """Builds a ``Graph`` call by call."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.calls: Counter[str] = Counter()
        self.entered: list[tuple[int, Any]] = []

    def run_graph(self, model: Any, own: Any) -> Graph:
        """The graph of a functional model exactly as it was built."""
        inputs = [
            Tensor(keras_api.shape_of(tensor), keras_api.dtype_of(tensor)) for tensor in own.inputs
        ]
        known = {id(symbol): tensor for symbol, tensor in zip(own.inputs, inputs, strict=True)}
        self._run_nodes(keras_api.graph_nodes(own), known, "")
        outputs = tuple(known[id(out)] for out in own.outputs)
        return Graph(tuple(inputs), self.ops, outputs, entered=self.entered)

    def run_model(self, model: Any, shapes: list[Shape], own: Any) -> Graph:
        """The graph of a model called anew with inputs of the given shapes."""
        dtypes = [keras_api.dtype_of(tensor) for tensor in own.inputs] if own else []
        dtypes = dtypes or ["float32"] * len(shapes)
        inputs = [Tensor(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        structure: Any = inputs if len(inputs) > 1 else inputs[0]
        outputs = self._descend(model.call, model, (structure,), {}, "")
        return Graph(tuple(inputs), self.ops, tuple(outputs), entered=self.entered)

    def _run_nodes(
        self, nodes: Iterable[keras_api.Node], known: dict[int, Tensor], path: str
    ) -> None:
        """List ``nodes`` one after the other; ``known`` maps ids of symbols to tensors."""
        for node in nodes:
            if any(id(symbol) not in known for symbol in node.inputs):
                continue  # not computable from the inputs: Keras does not run it either

            def real(leaf: Any) -> Any:
                return known[id(leaf)] if keras_api.is_symbolic(leaf) else leaf

            args = tuple(keras_api.replace(arg, real) for arg in node.args)
            kwargs = {name: keras_api.replace(arg, real) for name, arg in node.kwargs.items()}
            inputs = tuple(known[id(symbol)] for symbol in node.inputs)
            outputs = self._call(node, args, kwargs, inputs, path)
            known.update(zip(map(id, node.outputs), outputs, strict=True))

    def _call(
        self,
        node: keras_api.Node,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        inputs: tuple[Tensor, ...],
        path: str,
    ) -> Sequence[Tensor]:
        """The outputs of one call, after listing what it runs."""
        layer = node.layer
        name = f"{path}{layer.name}"
        own = keras_api.layer_graph(layer)
        if own and [keras_api.shape_of(symbol) for symbol in own.inputs] == [
            tensor.shape for tensor in inputs
        ]:
            known = dict(zip(map(id, own.inputs), inputs, strict=True))
            self._run_nodes(keras_api.graph_nodes(own), known, f"{name}/")
            return [known[id(symbol)] for symbol in own.outputs]
        if _is_time_distributed(layer):
            return self._each_step(layer, inputs, node, name)
        if find_rule(layer) is None and _is_layer(layer):
            listed, entered, counted = len(self.ops), len(self.entered), self.calls.copy()
            self.entered.append((listed, layer))
            try:
                return self._descend(layer.call, layer, args, kwargs, f"{name}/")
            except Exception:  # whatever a user's code does with a symbol: it is traced instead
                del self.ops[listed:], self.entered[entered:]
                self.calls = counted
        return self._emit(layer, name, args, kwargs, inputs, node.outputs)

    def _emit(
        self,
        layer: Any,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        inputs: tuple[Tensor, ...],
        symbols: Sequence[Any],
    ) -> tuple[Tensor, ...]:
        self.calls[name] += 1
        name = name if self.calls[name] == 1 else f"{name}#{self.calls[name]}"
        shapes = [keras_api.shape_of(symbol) for symbol in symbols]
        dtypes = [keras_api.dtype_of(symbol) for symbol in symbols]
        op = Op(name, type(layer).__name__, layer, find_rule(layer), args, kwargs, inputs, ())
        traced = None
        if all(is_known(tensor.shape) for tensor in inputs) and (
            not all(map(is_known, shapes)) or _may_fold(op)
        ):
            traced = _traced_shapes(op, shapes)
        folds = [_fold(shape, op) for shape in shapes]
        if traced is not None:
            folds = [full[0] or fold for full, fold in zip(traced, folds, strict=True)]
            shapes = [(shape[0], *full[1:]) for shape, full in zip(shapes, traced, strict=True)]
        outputs = tuple(
            Tensor(shape, dtype, 1 if not shape or shape[0] is not None else fold)
            for shape, dtype, fold in zip(shapes, dtypes, folds, strict=True)
        )
        self.ops.append(replace(op, outputs=outputs))
        return outputs

    def _descend(
        self,
        call: Callable[..., Any],
        layer: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        path: str,
    ) -> list[Tensor]:
        """Run ``call`` on fresh symbols for the tensors in its arguments and list what it did."""
        known: dict[int, Tensor] = {}
        symbols: list[Any] = []

        def symbol(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            fresh = keras_api.symbolic(leaf.shape, leaf.dtype, keras_api.is_keras2(layer))
            known[id(fresh)] = leaf
            symbols.append(fresh)
            return fresh

        fresh_args = tuple(keras_api.replace(arg, symbol) for arg in args)
        fresh_kwargs = {name: keras_api.replace(arg, symbol) for name, arg in kwargs.items()}
        fresh_kwargs = keras_api.at_inference(layer, fresh_args, fresh_kwargs)
        with keras_api.without_warnings():
            outputs = keras_api.flatten(call(*fresh_args, **fresh_kwargs))
        nodes = keras_api.nodes_between(symbols, outputs)
        self._run_nodes(nodes, known, path)
        return [known[id(output)] for output in outputs]

    def _each_step(
        self, layer: Any, inputs: tuple[Tensor, ...], node: keras_api.Node, name: str
    ) -> tuple[Tensor, ...]:
        """``TimeDistributed``: the inner layer once, on a batch into which time is folded."""
        source = inputs[0]
        steps = source.sizes[1]
        folded = Tensor((None, *source.shape[2:]), source.dtype, source.fold * steps)
        self.ops.append(_reshaping(f"{name}/fold", source, folded))
        inner = self._descend(layer.layer, layer.layer, (folded,), {}, f"{name}/")
        symbol = node.outputs[0]
        result = Tensor(keras_api.shape_of(symbol), keras_api.dtype_of(symbol), source.fold)
        self.ops.append(_reshaping(f"{name}/unfold", inner[0], result))
        return (result,)


def _reshaping(name: str, source: Tensor, result: Tensor) -> Op:
    """The reshaping that ``TimeDistributed`` does around its layer."""
    return Op(name, "Reshape", None, RESHAPING, (source,), {}, (source,), (result,))


def _traced_shapes(op: Op, shapes: list[Shape]) -> list[Shape] | None:
    """The output shapes of one image as TensorFlow knows them; None where it does not."""
    from cnnbench.analysis.trace import traced_shapes

    known = traced_shapes(op)
    if known is None or [*map(len, known)] != [*map(len, shapes)] or () in known:
        return None
    return known


def _may_fold(op: Op) -> bool:
    """Whether a call may put other axes into the batch axis, or take them out again.

    A layer of Keras' keeps them apart, but for those that `_fold` knows.
    """
    return op.rule is None or op.kind in ("Repeat", "Tile", "Stack")


def _fold(shape: Shape, op: Op) -> int:
    """How many rows of an output's leading axis belong to one image."""
    inputs = [tensor for tensor in op.inputs if tensor.shape and tensor.shape[0] is None]
    if not inputs:
        return 1
    row = prod(size or 0 for size in shape[1:])
    if op.kind == "Reshape" and row:
        return max(inputs[0].elements // row, 1)
    folds = [tensor.fold for tensor in inputs]
    if op.kind == "Concatenate" and op.layer.axis in (0, -len(shape)):
        return sum(folds)
    return max(folds)


def _is_time_distributed(layer: Any) -> bool:
    return type(layer).__name__ == "TimeDistributed" and keras_api.comes_with_keras(type(layer))


def _is_layer(layer: Any) -> bool:
    """Whether it is a layer with code inside; Keras 2 wraps bare operations as layers too."""
    bare = keras_api.comes_with_keras(type(layer)) and type(layer).__name__ in BARE_OPERATIONS
    return hasattr(layer, "weights") and hasattr(layer, "call") and not bare
