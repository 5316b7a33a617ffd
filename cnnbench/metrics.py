"""Metrics: name, unit, better direction, and what a metric depends on.

A probe declares its metrics. Those that a task computes from a network's outputs are one line each
in `QUALITY`, or an entry point of another package. A record has the bare name of a metric; the
column of one that depends on a setting has it after an ``@``: ``latency_p50_s@cpu/litert/b1``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from cnnbench.errors import UserError, nearest
from cnnbench.plugins import PROBES, Registry
from cnnbench.units import Unit

DependsOn = Literal["network", "weights", "batch", "setting"]
Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Metric:
    """Description of a metric.

    Attributes:
        name: with its unit as suffix, if it has one (``_s``, ``_bytes``, ``_px``).
        unit: for parsing and showing values.
        better: the better direction, or None.
        depends_on: the network alone, its trained weights, the batch size, or the whole setting.
        primary: can be abbreviated on the command line.
        exact: the same on every machine, so that any difference counts.
        title: column heading.
        group: heading of a group of columns; empty if tables show it only on request.
        rank: position of the column in its group.
        family: metrics of one name here are views of one measurement; one is compared for all.
        is_share: a mean over the test images of a score in 0..1 (0 or 1 in a share of them), so
            that their number determines its error.
        is_resampled: a number of all test images together, as an average precision, whose error
            from the choice of images is found by drawing them again.
        is_check: compares a network's outputs with Keras'; a doubt about it concerns every other
            number of the setting, so it is noted even where the column is not shown.
        layer_field: field of an inspection's layers that breaks it down; empty where none does.
    """

    name: str
    unit: Unit
    better: Better | None = None
    depends_on: DependsOn = "network"
    primary: bool = True
    exact: bool = False
    title: str = ""
    group: str = ""
    rank: int = 0
    family: str = ""
    is_share: bool = False
    is_resampled: bool = False
    is_check: bool = False
    layer_field: str = ""

    @property
    def is_published(self) -> bool:
        """True if it was published by others, not measured here."""
        return self.name.startswith("published_")

    @property
    def is_of_images(self) -> bool:
        """True if its interval covers the choice of test images, and of seeds from two on."""
        return self.is_share or self.is_resampled

    @property
    def phrase(self) -> str:
        """The title inside a sentence: ``mean IoU``, but ``AP``."""
        is_short = self.title[:2].isupper()
        return self.title if is_short else self.title[:1].lower() + self.title[1:]

    @property
    def noun(self) -> tuple[str, str]:
        """Singular and plural noun for counts of this metric."""
        if self.family == "latency":
            return "latency", "latencies"
        is_measured = self.depends_on == "setting"
        return {
            "s": ("time", "times"),
            "per_s": ("rate", "rates"),
            "bytes": ("memory peak", "memory peaks") if is_measured else ("size", "sizes"),
            "fraction": ("accuracy", "accuracies") if is_measured else ("share", "shares"),
        }.get(self.unit, ("count", "counts"))


@dataclass(frozen=True)
class QualityMetric:
    """A metric that a task computes from a network's predictions for the test images.

    Attributes:
        metric: its description.
        task: name of the task that it belongs to.
        compute: ``(predictions, targets) -> value``, both ``(n, ...)`` or several such arrays by
            name, as the task documents them (of a classifier: probabilities and labels); None where
            it does not apply.
    """

    metric: Metric
    task: str
    compute: Callable[[Any, Any], float | None]


QUALITY: Registry[QualityMetric] = Registry(
    "cnnbench.metrics",
    "metric",
    {
        "top1": "cnnbench.tasks.classification.quality:TOP1",
        "top5": "cnnbench.tasks.classification.quality:TOP5",
        "ece": "cnnbench.tasks.classification.quality:ECE",
        "loss": "cnnbench.tasks.classification.quality:LOSS",
        "mean_iou": "cnnbench.tasks.localization.quality:MEAN_IOU",
        "located_top1": "cnnbench.tasks.localization.quality:LOCATED_TOP1",
        **{
            f"{kind}_{name}": f"cnnbench.tasks.{task}.quality:{kind.upper()}_{name.upper()}"
            for kind, task in (("box", "detection"), ("mask", "instance_segmentation"))
            for name in ["map", "map50", "map75", "map_small", "map_medium", "map_large", "ar100"]
        },
        "box_ap50_voc07": "cnnbench.tasks.detection.quality:BOX_AP50_VOC07",
        "segmentation_miou": "cnnbench.tasks.segmentation.quality:SEGMENTATION_MIOU",
        "pixel_accuracy": "cnnbench.tasks.segmentation.quality:PIXEL_ACCURACY",
        "boundary_iou": "cnnbench.tasks.segmentation.quality:BOUNDARY_IOU",
    },
)


class _Metrics(Mapping[str, Metric]):
    """Every metric by name, in the order of a report's columns; probes are imported on first use.

    Published metrics come last, apart from measured ones.
    """

    @cached_property
    def _by_name(self) -> dict[str, Metric]:
        declared = [metric for probe in PROBES.values() for metric in probe.metrics]
        declared.sort(key=lambda metric: metric.is_published)
        return {metric.name: metric for metric in declared}

    def __getitem__(self, name: str) -> Metric:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


METRICS: Mapping[str, Metric] = _Metrics()

MORE = "/…"  # in place of the rest of a setting, in reports

COMPANIONS = ("_ci_low", "_ci_high", "_verdict", "_status", "_samples", "_ranking")


def family(name: str) -> list[str]:
    """Return the metrics of a family; the first is the one that tests and tiers use."""
    return [metric.name for metric in METRICS.values() if metric.family == name]


def column(metric: str, label: str) -> str:
    """Return the column of ``metric`` with the setting ``label``; an empty label adds nothing."""
    return f"{metric}@{label}" if label else metric


def split(name: str) -> tuple[str, str]:
    """Split a column: ``latency_p50_s@cpu/graph/b1`` -> ``('latency_p50_s', 'cpu/graph/b1')``."""
    base, _, label = name.partition("@")
    return base, label


def of_column(name: str) -> Metric | None:
    """Return the metric of a value column; None for companions and other columns."""
    return METRICS.get(split(name)[0])


def of_number(name: str) -> Metric | None:
    """Return the metric of a numeric column: of a value, or of an end of its interval."""
    base = split(name)[0]
    for ending in COMPANIONS[:2]:
        base = base.removesuffix(ending)
    return METRICS.get(base)


def resolve(expression: str, columns: Iterable[str], where: str = "") -> str:
    """Return the only column that matches ``expression``; see `matching`.

    Raises:
        UserError: nothing or several match; the candidates are listed.
    """
    found = matching(expression, columns, where)
    if len(found) > 1:
        raise UserError(
            f"the metric '{expression}' is ambiguous", where, "one of: " + ", ".join(found)
        )
    return found[0]


def matching(expression: str, columns: Iterable[str], where: str = "") -> list[str]:
    """Return the columns that match ``expression``, at least one.

    The first of these that matches decides: the exact column; the metric's name, or it without its
    unit (``file`` is ``file_bytes``); a prefix of primary metrics. A setting, or its beginning, may
    follow (``top1@fashion_mnist``). Companions match by full name only.

    Raises:
        UserError: nothing matches; the hint is the nearest.
    """
    columns = list(columns)
    if expression in columns:
        return [expression]
    base, label = split(expression)
    values = [name for name in columns if of_column(name) is not None]
    for match in (_is_base, _is_prefix):
        found = with_label(label, [v for v in values if match(base, METRICS[split(v)[0]])])
        if found:
            return found
    raise UserError(
        f"no metric '{expression}' in this table", where, suggestion(expression, values)
    )


def suggestion(expression: str, columns: Iterable[str]) -> str:
    """Return a hint on what an ``expression`` that matches none of ``columns`` may mean."""
    wanted, label = split(expression)
    columns = list(columns)
    bases = list(dict.fromkeys(split(name)[0] for name in columns))
    same = [name for name in columns if _is_base(wanted, METRICS[split(name)[0]])]
    if same and label:
        parts = [split(name)[1].split("/") for name in same]
        beginnings = ["/".join(part[:end]) for part in parts for end in range(1, len(part) + 1)]
        words = nearest(f"{wanted}@{label}", [f"{wanted}@{one}" for one in beginnings])
        return words or "one of: " + ", ".join(same)
    begun = [short_name(base) for base in bases if base.startswith(wanted)]
    if begun:
        return "one of: " + ", ".join(begun)
    return nearest(expression, [*bases, *columns]) or "this table has: " + ", ".join(bases)


def with_label(wanted: str, columns: Iterable[str]) -> list[str]:
    """Return the columns with the setting ``wanted``, else with settings that begin with it.

    An empty ``wanted`` selects all. The ``/…`` that a report appends to a beginning is ignored.
    """
    columns, wanted = list(columns), wanted.removesuffix(MORE)
    exact = [name for name in columns if wanted in ("", split(name)[1])]
    return exact or [name for name in columns if split(name)[1].startswith(f"{wanted}/")]


def beginnings(labels: Iterable[str]) -> dict[str, str]:
    """Return the shortest unambiguous beginning of each setting, as `with_label` takes it.

    The leading parts without a ``=``, which every setting of a probe has, are always included.
    """
    everything = list(dict.fromkeys(labels))

    def begins_another(beginning: str, own: str) -> bool:
        others = (label for label in everything if label != own)
        return any(f"{label}/".startswith(f"{beginning}/") for label in others)

    found = {}
    for label in everything:
        parts = label.split("/")
        least = next((i for i, part in enumerate(parts) if "=" in part), len(parts))
        starts = ("/".join(parts[:count]) for count in range(max(least, 1), len(parts)))
        found[label] = next((s for s in starts if not begins_another(s, label)), label)
    return found


def cut(labels: Iterable[str]) -> dict[str, str]:
    """Return each setting for people: its unambiguous beginning, and ``/…`` if more follows."""
    return {
        label: label if label == beginning else f"{beginning}{MORE}"
        for label, beginning in beginnings(labels).items()
    }


def short_name(metric: str) -> str:
    """Return a metric's name without its unit: ``file`` for ``file_bytes``."""
    for suffix in ("_bytes", "_per_s", "_px", "_s"):
        if metric.endswith(suffix):
            return metric.removesuffix(suffix)
    return metric


def _is_base(base: str, metric: Metric) -> bool:
    return base in (metric.name, short_name(metric.name))


def _is_prefix(base: str, metric: Metric) -> bool:
    return metric.primary and bool(base) and metric.name.startswith(base)
