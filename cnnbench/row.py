"""Row of a report: a network, and the measurement in every column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cnnbench.metrics import COMPANIONS, METRICS, column, split
from cnnbench.record import model_title
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.text import html_table, printable

_ILLEGAL = re.compile(r"[^A-Za-z0-9_\-. /]")
_NOT_PUBLISHED = CellStatus.note("not published")
NOT_MEASURED = Measurement()


@dataclass
class Row:
    """A network of a report.

    Attributes:
        model, variant: what rows of several reports are joined on.
        facts: ``input_shape`` and ``classes``, where known.
        environment: id of the environment that it was measured in, where known.
        values: column -> its measurement.
        others: column -> cell, for columns that are not metrics.
        axes: column -> facts of its setting, as `probes.settings.Setting.axes_for` has them.
        apart: facts that distinguish it from other rows of its model and variant, or empty.
    """

    model: str
    variant: str
    facts: dict[str, str] = field(default_factory=dict)
    environment: str = ""
    values: dict[str, Measurement] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, Mapping[str, str]] = field(default_factory=dict, compare=False)
    apart: str = ""

    @property
    def name(self) -> str:
        """Model, variant unless it is float32, and the facts that distinguish the row."""
        return f"{model_title(self.model, self.variant)}{self.apart}"

    def __str__(self) -> str:
        lines = (f"  {name}: {', '.join(filter(None, rest))}" for name, *rest in self._shown())
        return "\n".join(map(printable, [self.name, *lines]))

    def __repr__(self) -> str:
        return f"<Row {printable(self.name)}: {len(self.values)} metrics>"

    def _repr_html_(self) -> str:
        return html_table(("Metric", "Value", "Verdict"), list(self._shown()), self.name)

    def _shown(self) -> Iterator[tuple[str, str, str]]:
        """Yield column, value and verdict of each measurement; without a value, the reason."""
        for name, found in self.values.items():
            metric = METRICS.get(split(name)[0])
            if metric and found.value is not None:
                yield name, found.show(metric.unit), str(found.verdict)
            elif metric and found.status.is_known:
                yield name, str(found.status), ""

    def get(self, name: str) -> Measurement:
        """Return the measurement of a column as it was found; blank where there is none."""
        return self.values.get(name, NOT_MEASURED)

    def loggable(self) -> dict[str, float]:
        """Return all numbers, intervals included, by names that experiment trackers accept.

        In ``latency_p50_s@cpu/litert/b1`` the ``@`` becomes ``/``, and every character but letters,
        digits and ``_-. /`` becomes ``_``, as MLflow requires. If several columns would have the
        same name, later ones end in ``_``.
        """
        found: dict[str, float] = {}
        for name, one in self.values.items():
            metric, label = split(name)
            ends = zip(("", *COMPANIONS[:2]), (one.value, one.low, one.high), strict=True)
            for ending, value in ends:
                if value is None:
                    continue
                key = _tracker_name(column(metric + ending, label))
                while key in found:
                    key += "_"
                found[key] = float(value)
        return found

    def read(self, name: str) -> Measurement:
        """Return the measurement of column ``name``; an interval's end is a number as well.

        If the table does not give a reason for a missing number, another of the setting may.
        """
        base, label = split(name)
        if base not in METRICS:
            return self._end(base, label)
        found = self.get(name)
        if found.status.is_known:
            return found
        if METRICS[base].depends_on == "setting":
            return replace(found, status=self._status_of_setting(label))
        if METRICS[base].is_published and found.value is None:
            return replace(found, status=_NOT_PUBLISHED)
        return found

    def _status_of_setting(self, label: str) -> CellStatus:
        statuses = (
            found.status
            for name, found in self.values.items()
            if label and split(name)[1] == label and not found.status.is_fine
        )
        return next(statuses, CellStatus())

    def _end(self, base: str, label: str) -> Measurement:
        for ending, end in zip(COMPANIONS[:2], ("low", "high"), strict=True):
            owner = column(base.removesuffix(ending), label)
            if base.endswith(ending) and owner in self.values:
                return Measurement(getattr(self.values[owner], end))
        return NOT_MEASURED


def _tracker_name(name: str) -> str:
    """Return a column as a path of legal characters, without empty parts and ``.`` or ``..``."""
    legal = _ILLEGAL.sub("_", name.replace("@", "/", 1))
    parts = (part if part.strip(".") else "_" * len(part) for part in legal.split("/"))
    return "/".join(filter(None, parts))
