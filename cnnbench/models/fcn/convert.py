"""Turn the dense layers of a classifier into convolutions (Géron, 3rd ed., ch. 14, "FCNs")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnbench.errors import UserError, brief, is_out_of_memory
from cnnbench.models import keras_graph
from cnnbench.models.fcn import sliding
from cnnbench.models.fcn.steps import Names, Step, Steps, Value, sizes
from cnnbench.models.fcn.top import AVERAGE_POOL, GLOBAL_POOLS, RESHAPES, Placed, Top


@dataclass(frozen=True)
class Classifier:
    """A classifier of images of one size, as the conversion reads it.

    Attributes:
        name: its name, for messages.
        steps: its layer calls.
        first: the steps at which maps become vectors.
    """

    name: str
    steps: Steps
    first: frozenset[Step]

    @classmethod
    def read(cls, model: Any) -> Classifier:
        """Read a ``keras.Model``.

        Raises:
            UserError: it is subclassed, takes images of any size, or has no vectors.
        """
        steps = Steps.of(model)
        if None in steps.input.shape[1:]:
            raise UserError(
                f"'{model.name}' takes images of any size: its window is not known",
                hint="build it with the size that it classifies",
            )
        first = _collapses(steps)
        if not first:
            raise UserError(
                f"'{model.name}' has no layer that turns maps into a vector",
                hint="its dense layers must follow Flatten or global pooling of maps",
            )
        return cls(model.name, steps, first)

    @property
    def window(self) -> tuple[int, int]:
        """``(height, width)`` of its images."""
        _, height, width, _ = self.steps.input.shape
        return int(height or 0), int(width or 0)

    def stride(self) -> tuple[int, int]:
        """Return how many px the windows of neighbouring outputs are apart, down and right.

        Raises:
            UserError: it is not the same for all outputs, or no whole number.
        """
        strides = sliding.strides(self.steps)
        later = self.steps.after([value for step in self.first for value in step.outputs])
        last = {value for step in self.first for value in step.inputs} - later
        found = {strides[value] for value in last if value in strides}
        if len(found) != 1 or any(size.denominator > 1 for size in (*found,)[0]):
            raise UserError(f"the outputs of '{self.name}' are not one grid of places")
        down, right = found.pop()
        return int(down), int(right)

    def on(self, images: Any, prefix: str = "") -> Any:
        """Return its outputs as maps, in the structure in which it returns vectors; see `to_fcn`.

        Args:
            images: symbolic images, as large as its own or larger.
            prefix: of the names of new layers.

        Raises:
            UserError: a layer cannot be converted; it is named.
        """
        maps: dict[Value, Any] = {self.steps.input: images}
        placed: dict[Value, Placed] = {}
        names = Names()
        trunk, top = Trunk(names), Top(prefix, names)
        for step in self.steps.steps:
            if not placed.keys().isdisjoint(step.inputs):
                placed.update(zip(step.outputs, top.continued(step, placed), strict=True))
            elif step in self.first:
                placed[step.outputs[0]] = top.begun(step, maps[step.inputs[0]])
            else:
                maps.update(zip(step.outputs, trunk.kept(step, maps), strict=True))
        trunk.copy_weights()
        top.copy_weights()

        def result(value: Value) -> Any:
            if value in placed and placed[value].window != (1, 1):
                raise UserError(f"'{self.name}' returns flattened maps, not classes")
            return placed[value].tensor if value in placed else maps[value]

        return keras_graph.map_structure(self.steps.outputs, result)

    def unchanged_on(self, windows: Any) -> Any:
        """Return its outputs for symbolic images of its own size, its layers called again."""
        found: dict[Value, Any] = {self.steps.input: windows}
        layers = Trunk(Names())
        for step in self.steps.steps:
            found.update(zip(step.outputs, layers.called(step, found), strict=True))
        layers.copy_weights()
        return keras_graph.map_structure(self.steps.outputs, found.__getitem__)


def _collapses(read: Steps) -> frozenset[Step]:
    """Return the steps from which on there are vectors, up to the outputs.

    The gate of a squeeze-and-excitation block pools its maps too, but is then multiplied with maps:
    its pooling belongs to the trunk.
    """
    undecided = [step for step in read.steps if _collapses_maps(step)]
    found: list[Step] = []
    while undecided:
        step = undecided.pop(0)
        vectors = [value for one in (*found, step, *undecided) for value in one.outputs]
        if not _meets_maps(step, read, {*vectors, *read.after(vectors)}):
            found.append(step)
    return frozenset(found)


def _collapses_maps(step: Step) -> bool:
    """Return whether a step takes maps and gives one vector an image."""
    if len(step.outputs) != 1 or not step.inputs or not step.inputs[0].is_map:
        return False
    given, made = step.inputs[0].shape, step.outputs[0].shape
    if step.is_of_keras and step.kind in GLOBAL_POOLS:
        return True
    if step.is_of_keras and step.kind == AVERAGE_POOL:
        is_whole = tuple(step.layer.pool_size) == given[1:3] and step.layer.padding == "valid"
        return is_whole and given[1:3] != (1, 1)
    return len(made) < 4


def _meets_maps(step: Step, read: Steps, vectors: set[Value]) -> bool:
    """Return whether anything computed from its vector is merged with maps."""
    inside = {*step.outputs, *read.after(step.outputs)}
    return any(
        not inside.isdisjoint(other.inputs)
        and any(value.is_map and value not in vectors for value in other.inputs)
        for other in read.steps
    )


class Trunk:
    """Calls the layers before the vectors again, on images of another size.

    Args:
        names: of the layers of the new network.
        prefix: of the names of layers that are new; those of copies have none.
    """

    def __init__(self, names: Names, prefix: str = "") -> None:
        self._names, self._prefix = names, prefix
        self._used: list[tuple[Any, Any]] = []  # original layer, layer used

    def kept(self, step: Step, maps: dict[Value, Any]) -> list[Any]:
        """Return the outputs of a step.

        Raises:
            UserError: its layer takes maps of one size only.
        """
        if step.is_of_keras and step.kind in RESHAPES and step.inputs[0].shape[3:]:
            regrouped = self._regrouped(step, maps[step.inputs[0]])
            if regrouped is not None:
                return [regrouped]
        if _is_of_one_size(step):
            raise UserError(
                f"the layer {step} cannot take maps of another size: it has weights for each place"
            )
        try:
            return self.called(step, maps)
        except Exception as error:  # a layer can raise anything
            if is_out_of_memory(error):
                raise
            raise UserError(
                f"the layer {step} cannot take maps of another size: {brief(error, 200)}"
            ) from error

    def called(self, step: Step, tensors: dict[Value, Any]) -> list[Any]:
        """Return the outputs of a step as it is."""
        return step.called(tensors, self._layer(step))

    def copy_weights(self) -> None:
        """Give copies of layers the weights of the originals."""
        for original, used in self._used:
            if used is not original and keras_graph.are_allocated(original.weights):
                used.set_weights(original.get_weights())

    @property
    def is_original(self) -> bool:
        """True if every layer called is the original: copies would be trained apart from it."""
        return all(used is original for original, used in self._used)

    def _layer(self, step: Step) -> Any:
        """Return the layer of a step, or a copy if another layer of the network has its name."""
        for original, used in self._used:
            if original is step.layer:
                return used
        layer = step.layer
        name = self._names.free(layer.name, step.path)
        if name != layer.name:
            layer = type(layer).from_config(layer.get_config() | {"name": name})
        self._used.append((step.layer, layer))
        return layer

    def _regrouped(self, step: Step, maps: Any) -> Any:
        """Return the outputs of a reshape that regroups channels, as a channel shuffle does.

        Its target names the height and the width; they are those of the maps instead. None if it
        reshapes the vector of a gate.
        """
        from cnnbench.models.families.own_layers import RegroupChannels

        given, made = step.inputs[0].shape, step.outputs[0].shape
        if made[3:] and made[1:3] == given[1:3]:
            name = self._names.free(f"{self._prefix}{step.layer.name}", step.path)
            return RegroupChannels([int(size or 0) for size in made[3:]], name=name)(maps)
        if given[1:3] == (1, 1):
            return None
        raise UserError(
            f"the layer {step} mixes the places of its maps, {sizes(given)} to {sizes(made)}, and "
            "cannot take maps of another size"
        )


def _is_of_one_size(step: Step) -> bool:
    """Return whether a layer has weights for each row or column of its maps."""
    if not (step.is_of_keras and any(value.is_map for value in step.inputs)):
        return False
    if step.kind == "PReLU":
        return not {1, 2} <= set(step.layer.shared_axes or ())
    axis = getattr(step.layer, "axis", -1) if step.kind.endswith("Normalization") else -1
    return not {1, 2}.isdisjoint(axis if hasattr(axis, "__iter__") else [axis])
