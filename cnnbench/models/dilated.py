"""Networks with a smaller output stride: strides become dilations (arXiv:1606.00915, sec. 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cnnbench.models import keras_graph
from cnnbench.models.fcn.convert import Trunk
from cnnbench.models.fcn.steps import Names, Step, Steps, Value

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
_POOLS = ("MaxPooling2D", "AveragePooling2D")
_MOVING = ("ZeroPadding2D", "Cropping2D")


def dilated(backbone: Any, output_stride: int) -> Any:
    """Return a backbone whose maps are at most ``output_stride`` px apart.

    A stride that would exceed it is left out, and the convolutions after it are dilated by it. The
    values at every second position, say, are then those of the backbone itself, with the same
    weights, except near the border. Pooling keeps its window: Keras cannot dilate it. All layers
    changed have padding "same". The others are shared with the backbone; those changed have its
    names and copies of its weights.

    Args:
        backbone: a functional ``keras.Model`` from images to maps of known size.
        output_stride: a power of 2.

    Returns:
        The backbone itself if its stride is small enough already, if it is subclassed, or if a
        layer changes the size of its maps in another way than a window, padding or cropping.
    """
    if keras_graph.layer_graph(backbone) is None:  # what its `call` does cannot be seen
        return backbone
    steps = Steps.of(backbone)
    plan = _Plan.of(steps, output_stride)
    if plan is None or not plan.windows:
        return backbone
    names = Names()
    trunk = Trunk(names)
    maps: dict[Value, Any] = {steps.input: backbone.inputs[0]}
    changed: dict[tuple[int, Window], tuple[Any, Any]] = {}
    for step in steps.steps:
        if step in plan.skipped:
            maps[step.outputs[0]] = maps[step.inputs[0]]
            continue
        window = plan.windows.get(step)
        if window is None:
            maps.update(zip(step.outputs, trunk.kept(step, maps), strict=True))
            continue
        key = (id(step.layer), window)
        if key not in changed:
            changed[key] = (step.layer, window.of(step, names.free(step.layer.name, step.path)))
        maps.update(zip(step.outputs, step.called(maps, changed[key][1]), strict=True))
    trunk.copy_weights()
    for original, used in changed.values():
        if original.weights and keras_graph.are_allocated(original.weights):
            used.set_weights(original.get_weights())
    import tensorflow as tf

    outputs = keras_graph.map_structure(steps.outputs, maps.__getitem__)
    return tf.keras.Model(backbone.inputs[0], outputs, name=backbone.name)


@dataclass(frozen=True)
class Window:
    """A changed layer: its stride, and the factor of its dilation or of its padding."""

    stride: int
    dilation: int

    def of(self, step: Step, name: str) -> Any:
        """Return the layer that takes the place of the step's."""
        config = step.layer.get_config() | {"name": name}
        if step.kind in _MOVING:
            amounts = "padding" if step.kind == "ZeroPadding2D" else "cropping"
            config[amounts] = [[self.dilation * one for one in pair] for pair in config[amounts]]
        else:
            config |= {"strides": (self.stride, self.stride), "padding": "same"}
        if step.kind in _CONVOLUTIONS:
            rates = step.layer.dilation_rate
            config["dilation_rate"] = tuple(self.dilation * rate for rate in rates)
        return type(step.layer).from_config(config)


@dataclass(frozen=True)
class _Plan:
    """What becomes of each step: the windows of those changed, and padding that is left out."""

    windows: Mapping[Step, Window]
    skipped: frozenset[Step]

    @classmethod
    def of(cls, steps: Steps, limit: int) -> _Plan | None:
        """Return the plan for an output stride of ``limit``, or None if there is none."""
        strides: dict[Value, int] = {steps.input: 1}
        windows: dict[Step, Window] = {}
        for step in steps.steps:
            given = max(strides.get(value, 1) for value in step.inputs) if step.inputs else 1
            own = _stride(step)
            if own is None:
                return None
            strides.update(dict.fromkeys(step.outputs, given * own))
            if given * own > limit and _extent(step) * own > 1:
                windows[step] = Window(max(limit // given, 1), max(given // limit, 1))
        skipped = set()
        for step in _paddings(steps, windows):
            readers = [one for one in steps.steps if step.outputs[0] in one.inputs]
            are_changed = [one in windows and one.kind not in _MOVING for one in readers]
            if all(are_changed):
                skipped.add(step)
            elif any(are_changed):
                return None
        return cls(windows, frozenset(skipped))


def _paddings(steps: Steps, windows: Mapping[Step, Window]) -> Iterator[Step]:
    """Yield the padding steps that a changed step reads."""
    read = {value for step in windows for value in step.inputs}
    for step in steps.steps:
        if step.is_of_keras and step.kind == "ZeroPadding2D" and step.outputs[0] in read:
            yield step


def _stride(step: Step) -> int | None:
    """Return the stride of a step; None if it changes the size of maps in an unknown way."""
    if step.is_of_keras and step.kind in (*_CONVOLUTIONS, *_POOLS):
        down, right = step.layer.strides
        return int(down) if down == right else None
    before = [value.shape[1:3] for value in step.inputs if value.is_map]
    after = [value.shape[1:3] for value in step.outputs if value.is_map]
    is_moving = step.is_of_keras and step.kind in _MOVING
    known = {*before, (1, 1)}  # 1x1: the gate of squeeze-and-excitation
    return 1 if is_moving or not before or known.issuperset(after) else None


def _extent(step: Step) -> int:
    """Return the side of a step's window before dilation; 2 for padding and cropping, else 1."""
    if not step.is_of_keras:
        return 1
    if step.kind in _MOVING:
        return 2
    sizes = {
        **dict.fromkeys(_CONVOLUTIONS, "kernel_size"),
        **dict.fromkeys(_POOLS, "pool_size"),
    }
    return max(getattr(step.layer, sizes[step.kind])) if step.kind in sizes else 1
