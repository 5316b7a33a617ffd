"""Base classes of the probes' settings.

A *spec* is the entry of a probe in a suite, with lists; it expands into *settings*, one per cell,
with every default filled in. Everything in a setting affects the result and is part of the key. The
*stopping rule* only decides how often a cell is measured, and is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS
from cnnbench.models.handle import ModelInfo
from cnnbench.plugins import PROBES
from cnnbench.record import FLOAT32
from cnnbench.schema import Distinct, StrictModel
from cnnbench.statistics.measurement import JudgedImages


class StoppingRule(StrictModel):
    """Number of repeats of a cell: between ``at_least`` and ``at_most`` processes.

    A cell is finished early when the relative half-width of its 95 % interval is within
    ``precision``; without a precision, ``at_most`` processes run.
    """

    at_least: int = 1
    at_most: int = 1
    precision: float | None = None

    def stricter(self, other: StoppingRule) -> StoppingRule:
        """Return the rule that satisfies both."""
        wanted = (self.precision, other.precision)
        return StoppingRule(
            at_least=max(self.at_least, other.at_least),
            at_most=max(self.at_most, other.at_most),
            precision=None if None in wanted else min(one for one in wanted if one),
        )


class Setting(StrictModel):
    """Setting of one cell. Subclasses add their fields, and the label used in column names."""

    probe: ClassVar[str]

    # Its jobs neither time anything nor keep the machine busy for long.
    is_light: ClassVar[bool] = False

    # Its repeats are trainings with different seeds, which need not be interleaved over the models.
    repeats_are_seeds: ClassVar[bool] = False

    # Cells of a model use files that others of the same probe made: all run on one machine.
    shares_files: ClassVar[bool] = False

    @property
    def needs_prepare(self) -> bool:
        """True if a ``prepare`` job comes before the first repeat."""
        return False

    @property
    def depends_on_model(self) -> bool:
        """False if every model has the same result: a suite measures it with its first model."""
        return True

    @property
    def depends_on_machine(self) -> bool:
        """False if its numbers are the same on every machine, as counts and accuracies are."""
        return not self.is_light

    def variant_name(self) -> str:
        """Return how the model was compressed; ``float32`` if it was not."""
        return FLOAT32

    def input_and_classes(self, model: ModelInfo) -> tuple[tuple[int, ...], int]:
        """Return the input shape and classes at which ``model`` is measured; its own by default."""
        return tuple(model.input_shape), model.classes

    def kind(self) -> str:
        """Return the kind of its jobs; jobs of one kind take comparable time."""
        return self.probe

    def training_pixels(self, input_shape: Sequence[int]) -> float:
        """Return the number of pixels a job trains on, over all epochs; 0 if nothing is trained.

        ``input_shape`` is that of the model; () if it is unknown before building.
        """
        return 0.0

    def training_seconds(self, metrics: Mapping[str, float]) -> float:
        """Return the part of a job's duration that grows with the number of pixels trained on.

        ``metrics`` are those of a job that succeeded.
        """
        return metrics.get("train_s", 0.0)

    def stage(self) -> int:
        """Return the position among the probe's stages: later stages need results of earlier."""
        return 0

    def label(self) -> str:
        """Return the text behind the ``@`` of a column: axes in a fixed order, defaults omitted."""
        raise NotImplementedError

    def label_for(self, metric: str) -> str:
        """Return the part of the label that ``metric`` depends on."""
        known = METRICS.get(metric)
        depends_on = known.depends_on if known else "setting"
        if depends_on in ("network", "weights"):
            return ""
        if depends_on == "batch":
            return f"b{getattr(self, 'batch_size', 1)}"
        return self.label()

    def axes_for(self, metric: str) -> Mapping[str, str]:
        """Return what tables and charts group ``metric`` by: ``{"runtime": "litert", ...}``.

        `results.csv_files.axes_of` reads the same from a label, where there is no journal.
        """
        return {}

    def judged_images(self, metric: str) -> JudgedImages | None:
        """Return the images that ``metric`` is measured on if it is a quality, else None."""
        return None

    def metrics(self) -> Collection[str]:
        """Return the metrics that a cell with this setting may have; by default the probe's."""
        return [metric.name for metric in PROBES[self.probe].metrics]

    def shortened(self, epochs: int) -> Self | None:
        """Return the setting of a training of only ``epochs`` epochs; None if it has no more."""
        return None

    def primary_metrics(self) -> tuple[str, ...]:
        """Return the metrics that are reported as missing, with the reason, if the cell failed."""
        raise NotImplementedError


@dataclass(frozen=True)
class Misfit:
    """A mistake in an entry that only shows beside the suite's models.

    Attributes:
        key: the path of the value in the entry; () for the entry.
        error: what is wrong, without its place.
    """

    key: tuple[str | int, ...]
    error: UserError


class Spec(StrictModel):
    """Entry of a probe in a suite.

    Attributes:
        models: the models of the suite that it applies to; by default all that it `serves`.
    """

    # Models that no entry of a suite serves are named when it is planned.
    names_unserved: ClassVar[bool] = False

    models: Annotated[list[str], Distinct, Field(min_length=1)] | None = None

    def serves(self, model: ModelInfo) -> bool:
        """Return whether it can apply to a model."""
        return True

    def misfits(self, models: Sequence[ModelInfo]) -> Iterator[Misfit]:
        """Yield the mistakes that show beside the models that it lists, or all of the suite."""
        return iter(())

    def settings(self, model: ModelInfo) -> Iterator[Setting]:
        """Yield the settings of this probe for one model, with every default filled in."""
        raise NotImplementedError

    def cells(self, model: ModelInfo) -> Iterator[tuple[Setting, StoppingRule]]:
        """Yield the settings for one model, each with the stopping rule of its cell."""
        rule = self.stopping_rule()
        for setting in self.settings(model):
            yield setting, rule

    def notes(self, models: Sequence[ModelInfo]) -> Iterator[str]:
        """Yield remarks for the plan on settings that do not apply to all of these models."""
        return iter(())

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """Return a copy with the hashes of the files it names, which affect the result too.

        Raises:
            UserError: mistakes in these files, with their places.
        """
        return self

    def stopping_rule(self) -> StoppingRule:
        """Return the stopping rule of its cells."""
        return StoppingRule()
