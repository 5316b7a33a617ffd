"""Network under test: given by name, as a live model, or as a function that builds one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnbench.errors import UserError

if TYPE_CHECKING:
    from cnnbench.analysis import Inspection
    from cnnbench.record import Record


class Network:
    """Network given to the fixture: counted in this process, built again in the workers.

    Attributes:
        text: the name that a worker builds it by, or the file that it loads.
        label: its name in the report.
        recorded_as: the model's name in the workers' records.
        inspection: its counts.
        trained: the file with its trained weights, or None.
        is_keras_2: it was built with Keras 2.
    """

    def __init__(self, given: Any, folder: Path, search_path: tuple[Path, ...]) -> None:
        from cnnbench import inspect
        from cnnbench.analysis import is_keras2, standard_keras, weightless
        from cnnbench.models import registry

        self.is_keras_2 = False
        self.trained: Path | None
        if isinstance(given, str):
            model = registry.resolve(given, search_path)
            self.text, self.label = given, model.label
            self.recorded_as = model.label
            self.trained = Path(model.entry.builder) if model.is_trained else None
            with standard_keras(), weightless():
                built = model.architecture()
                self.inspection: Inspection = inspect(built)
            return
        if hasattr(given, "layers"):
            built = given
        else:
            with standard_keras(keep_policy=True):
                built = given()
        self.is_keras_2 = is_keras2(built)
        self.label = str(built.name)
        self.inspection = inspect(built)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.label}.keras"
        if file.exists():  # two live networks may have one name
            self.label = f"{self.label}-2"
            file = folder / f"{self.label}.keras"
        built.save(file)
        self.text, self.recorded_as = str(file), file.name
        self.trained = file

    @property
    def identity(self) -> dict[str, Any]:
        """Identity of its records: one row of a report."""
        shape = tuple(int(size) for size in self.inspection.input_shape if size is not None)
        classes = int(self.inspection.rows[-1].output_shape[-1] or 0)
        return {"model": self.label, "input_shape": shape, "classes": classes}

    @property
    def record(self) -> Record:
        """Record of its counts, as a job would have made it."""
        from cnnbench import environment
        from cnnbench.probes.static import StaticSetting
        from cnnbench.record import Record

        return Record(
            **self.identity,
            key=self.label,
            attempt=1,
            variant="float32",
            probe="static",
            setting=StaticSetting().model_dump(),
            repeat=0,
            status="ok",
            reason="",
            metrics={name: float(value) for name, value in self.inspection.metrics.items()},
            environment=environment.environment_id(environment.fingerprint()),
        )


def tell_apart(networks: Sequence[Network]) -> None:
    """Give the second of two networks another label if they share one, as a live network may.

    Raises:
        UserError: they are the same network.
    """
    for other in networks[1:]:
        if other.text == networks[0].text:
            raise UserError(f"{other.label} cannot be timed against itself", "relative_to")
        if other.label == networks[0].label:
            other.label = f"{other.label} (reference)"
