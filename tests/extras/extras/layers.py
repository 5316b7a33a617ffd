"""A probe: how many layers of each kind a network has."""

from collections.abc import Iterator
from typing import Any, ClassVar

from cnnbench.metrics import Metric
from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.probe import Probe
from cnnbench.probes.settings import Setting, Spec


class LayersSetting(Setting):
    """One cell: there is nothing to set but the kind of layers."""

    probe: ClassVar[str] = "layers"
    is_light: ClassVar[bool] = True
    layer_type: str = "Conv2D"

    def label(self) -> str:
        return self.layer_type

    def primary_metrics(self) -> tuple[str, ...]:
        return ("layers",)


class LayersSpec(Spec):
    """``layers: {layer_types: [Conv2D, Dense]}`` in a suite."""

    layer_types: list[str] = ["Conv2D"]

    def settings(self, model: ModelInfo) -> Iterator[LayersSetting]:
        for name in self.layer_types:
            yield LayersSetting(layer_type=name)


def run(model: ModelHandle, setting: Any, context: Context) -> ProbeResult:
    """Count the layers; called in a worker, where TensorFlow is loaded."""
    layers = model.architecture().layers
    return ProbeResult({"layers": sum(type(one).__name__ == setting.layer_type for one in layers)})


PROBE = Probe(
    name="layers",
    spec=LayersSpec,
    setting=LayersSetting,
    run=__name__,
    counts_only=True,
    metrics=(
        Metric("layers", "count", None, "setting", exact=True, title="Layers", group="Layers"),
    ),
)
