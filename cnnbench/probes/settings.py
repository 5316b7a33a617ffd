"""What every probe's settings share.

A *spec* is a probe as a suite words it, with lists; it expands into *settings*, one a cell, with
every default filled in. Everything in a setting decides the result and is part of the key; what
only decides how often a cell is measured is its *stopping rule*, which is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from cnnbench.metrics import METRICS
from cnnbench.models.handle import ModelInfo
from cnnbench.schema import Distinct, StrictModel


class StoppingRule(StrictModel):
    """How often a cell is measured: at least ``at_least`` processes, at most ``at_most``.

    Between the two it ends when the relative half-width of the 95 % interval of its location is
    within ``precision``; without a precision it is always ``at_most``.
    """

    at_least: int = 1
    at_most: int = 1
    precision: float | None = None

    def stricter(self, other: StoppingRule) -> StoppingRule:
        """What satisfies both."""
        wanted = (self.precision, other.precision)
        return StoppingRule(
            at_least=max(self.at_least, other.at_least),
            at_most=max(self.at_most, other.at_most),
            precision=None if None in wanted else min(one for one in wanted if one),
        )


class Setting(StrictModel):
    """One cell's setting. Subclasses add their fields and say how it is written in a column."""

    probe: ClassVar[str]

    # Whether its jobs neither time anything nor keep the machine busy for long.
    is_light: ClassVar[bool] = False

    @property
    def needs_prepare(self) -> bool:
        """Whether a ``prepare`` job comes before the first repeat."""
        return False

    def variant_name(self) -> str:
        """What was done to the network."""
        return "float32"

    def network(self, model: Any) -> Any:
        """The network that is measured: ``model`` itself, or it with another input or classes."""
        return model

    def kind(self) -> str:
        """Jobs of a kind do the same, and so take about the same time."""
        return self.probe

    def training_pixels(self, input_shape: Sequence[int]) -> float:
        """Return the number of pixels a job trains on, over all epochs; 0 if nothing is trained.

        ``input_shape`` is the network's own; () where only building it tells.
        """
        return 0.0

    def training_seconds(self, metrics: Mapping[str, float]) -> float:
        """Return the seconds of a job that grow with `training_pixels`, from its metrics."""
        return 0.0

    def stage(self) -> int:
        """Cells of a probe are measured stage by stage: what later ones need, earlier ones make."""
        return 0

    def label(self) -> str:
        """The setting behind the ``@``: axes in a fixed order, those at their default left out."""
        raise NotImplementedError

    def label_for(self, metric: str) -> str:
        """The part of the label that ``metric`` depends on."""
        known = METRICS.get(metric)
        depends_on = known.depends_on if known else "setting"
        if depends_on in ("network", "weights"):
            return ""
        if depends_on == "batch":
            return f"b{getattr(self, 'batch_size', 1)}"
        return self.label()

    def primary_metrics(self) -> tuple[str, ...]:
        """The metrics that stand blank, with the reason, where this cell found nothing."""
        raise NotImplementedError


class Spec(StrictModel):
    """A probe as a suite words it.

    Attributes:
        models: those of the suite's models that it is for; by default all.
    """

    models: Annotated[list[str], Distinct, Field(min_length=1)] | None = None

    def settings(self, model: ModelInfo) -> Iterator[Setting]:
        """The settings of this probe for one model, every default filled in."""
        raise NotImplementedError

    def cells(self, model: ModelInfo) -> Iterator[tuple[Setting, StoppingRule]]:
        """The settings, each with how often its cell is measured."""
        rule = self.stopping_rule()
        for setting in self.settings(model):
            yield setting, rule

    def notes(self, models: Sequence[ModelInfo]) -> Iterator[str]:
        """Yield remarks for the plan on settings that do not apply to all of these models."""
        return iter(())

    def located(self, search_path: Sequence[Path], data_dir: Path | None) -> Self:
        """The same with the hashes of the files it names, which decide the result as well."""
        return self

    def stopping_rule(self) -> StoppingRule:
        """How often each of the cells is measured."""
        return StoppingRule()
