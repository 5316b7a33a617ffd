"""Fixture ``cnn_budget``: measures a network, and checks its budgets."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cnnbench import files
from cnnbench.errors import UserError
from cnnbench.pytest_plugin.network import Network, tell_apart
from cnnbench.record import FLOAT32
from cnnbench.selection.baseline import Baseline

if TYPE_CHECKING:
    import pandas as pd

    from cnnbench.record import Record
    from cnnbench.suite.plan import Cell

_DEFAULT_RUNTIME = "litert"


class Budget:
    """Fixture ``cnn_budget``: call it with a network and its budgets."""

    def __init__(
        self, folder: Path, search_path: tuple[Path, ...], baseline: Baseline, found: list[str]
    ) -> None:
        """Check in ``folder``; reports for a new baseline are appended to ``found``."""
        self._folder, self._search_path = folder, search_path
        self._baseline, self._found = baseline, found

    def __call__(
        self,
        model: Any,
        *,
        variant: str = FLOAT32,
        weights: Path | str | None = None,
        dataset: str | Mapping[str, Any] | None = None,
        relative_to: Any = None,
        latency_ratio: float | None = None,
        rounds: int = 3,
        **budgets: Any,
    ) -> pd.DataFrame:
        """Fail the test if ``model`` breaks a budget.

        Args:
            model: a name as in a suite, a live Keras model, or a function that builds one.
            variant: what file, quality and latency budgets are for: ``ptq-int8``,
                ``pruned-50+ptq-int8``, ... By default the network as it is.
            weights: a file with the trained weights; not needed for a live model or a ``.keras``
                file, which have them.
            dataset: the images for qualities, calibration and fine-tuning: a data set's name, or
                the options of a ``training`` in a suite (``{"dataset": "digits",
                "test_examples": 100}``).
            relative_to: a reference network, given likewise, that is timed in turn with it.
            latency_ratio: limit of its latency divided by that of ``relative_to``, in every
                runtime that a latency budget names (``litert`` if none does).
            rounds: number of fresh processes per network. From six on, a 95 % interval decides;
                with fewer, a limit is exceeded only if every round exceeds it.
            budgets: a limit in the form of a number or with a unit: of a counted metric
                (``params="4M"``, ``activation_infer_peak="20MB"``), of the LiteRT file
                (``file="6MB"``), of a quality of that file, which must be reached
                (``top1=0.9``, ``box_map50=0.5``, ``agreement="99%"``), or of a latency by
                runtime (``latency_p50={"litert": "15ms"}``).

        No budget, an unknown network, metric, variant or runtime, and a unit that does not fit
        fail the test with a line that says so.

        Returns:
            A report with a row for the network, one for its variant, and one for the reference.
        """
        if (relative_to is None) != (latency_ratio is None):
            pytest.fail("cnn_budget: relative_to and latency_ratio go together", pytrace=False)
        try:
            if not budgets and relative_to is None and not self._baseline.is_given:
                raise UserError("no budget is given", hint='for example params="4M"')
            file = _Files(variant, weights, dataset)
            return self._check(model, file, relative_to, latency_ratio, rounds, budgets)
        except UserError as error:
            mistake = str(error)
        pytest.fail(f"cnn_budget: {mistake}", pytrace=False)

    def _check(
        self,
        model: Any,
        file: _Files,
        relative_to: Any,
        latency_ratio: float | None,
        rounds: int,
        budgets: Mapping[str, Any],
    ) -> pd.DataFrame:
        from cnnbench.results import tables
        from cnnbench.results.report import Report
        from cnnbench.selection import budget

        limits = budget.limits(budgets)
        runtimes = list(dict.fromkeys(name for of in limits.times.values() for name in of))
        is_timed = bool(runtimes) or relative_to is not None
        runtimes = runtimes or [_DEFAULT_RUNTIME]
        file.check(runtimes, limits.qualities)
        network = Network(model, self._folder, self._search_path)
        over = f"{network.label} exceeds its budget"
        _fail_if_any(over, budget.broken_counts(network.inspection, limits.counts))

        records = [network.record]
        networks = [network]
        if relative_to is not None:
            networks.append(Network(relative_to, self._folder, self._search_path))
            tell_apart(networks)
        if file.is_compressed or limits.measured:
            is_beside = is_timed and file.is_compressed
            records += self._converted(networks, file, rounds if is_beside else 0)
        if is_timed and not file.is_compressed:
            records += self._timed(networks, runtimes, rounds)
        report = tables.measured(records)
        label, variant = network.label, file.variant
        _fail_if_any(over, budget.broken_numbers(report, label, variant, limits.measured))
        for name, of_runtime in limits.times.items():
            late = budget.broken_times(report, label, name, of_runtime, variant)
            _fail_if_any(over, _certain(label, late))
        for reference in networks[1:]:
            limit = float(latency_ratio or 0)
            slower = budget.broken_ratio(report, label, reference.label, runtimes, limit, variant)
            _fail_if_any(over, _certain(label, slower))
        own = Report([row for row in report if row.model == network.label], report.columns)
        _fail_if_any(f"{network.label} is worse than its baseline", self._baseline.check(own))
        if self._baseline.is_update:
            self._found.append(own.to_csv())
        return report.to_frame()

    def _timed(
        self, networks: Sequence[Network], runtimes: Sequence[str], rounds: int
    ) -> list[Record]:
        from cnnbench.execution import side_by_side
        from cnnbench.models import registry

        records = side_by_side.timed(
            [network.text for network in networks],
            runtimes,
            rounds,
            self._folder / "run",
            registry,
            self._search_path,
            keras_2=any(network.is_keras_2 for network in networks),
            notify=_warn,
        )
        return _accepted(records, networks)

    def _converted(self, networks: Sequence[Network], file: _Files, rounds: int) -> list[Record]:
        """Convert the first network to a LiteRT file, and evaluate that on images if given.

        Args:
            networks: the network, and a reference for its latency.
            file: which variant, and of which weights.
            rounds: processes in which the file is timed, in turn with that of the reference; 0
                times nothing.
        """
        from cnnbench.execution import side_by_side
        from cnnbench.models import registry

        network, references = networks[0], networks[1:] if rounds else []
        times = {"min_rounds": max(1, rounds), "max_rounds": max(1, rounds)}
        entries = [
            {"models": [network.text], **file.entry(network, self._search_path), **times},
            *({"models": [one.text], "variants": [FLOAT32], **times} for one in references),
        ]
        variants = {network.recorded_as: file.variant}
        parts = ["convert", "latency"] if rounds else ["convert"]

        def includes(cell: Cell) -> bool:
            part = getattr(cell.setting, "part", "")
            is_wanted = cell.variant == variants.get(cell.model.label, FLOAT32)
            return part == "train" or (is_wanted and part in parts)

        records = side_by_side.measured(
            [one.text for one in (network, *references)],
            "compression",
            entries,
            self._folder / "files",
            registry,
            self._search_path,
            includes=includes,
            keras_2=any(one.is_keras_2 for one in networks),
            data_dir=files.data_folder(None),
            notify=_warn,
        )
        return _accepted(records, networks)


@dataclass(frozen=True)
class _Files:
    """Which variant of a network is measured as a file, and of which weights.

    Attributes:
        variant: its name.
        weights: the file with the trained weights, or None.
        dataset: the images, as in `Budget.__call__`.
    """

    variant: str
    weights: Path | str | None
    dataset: str | Mapping[str, Any] | None

    @property
    def is_compressed(self) -> bool:
        """True if the network is not measured as it is."""
        return self.variant != FLOAT32

    def check(self, runtimes: Sequence[str], qualities: Sequence[str]) -> None:
        """Refuse what cannot be measured.

        Raises:
            UserError: an unknown variant, a runtime that cannot run it, or missing images.
        """
        from cnnbench.metrics import short_name
        from cnnbench.probes.compression import variants

        canonical = variants.canonical(self.variant)
        if canonical != self.variant:
            raise UserError(f"'{self.variant}' is written differently", hint=canonical)
        others = [name for name in runtimes if name != _DEFAULT_RUNTIME]
        if self.is_compressed and others:
            raise UserError(f"{self.variant} runs in {_DEFAULT_RUNTIME}, not in {others[0]}")
        if qualities and self.dataset is None:
            what = f"{short_name(qualities[0])} needs images"
            raise UserError(what, hint='name them, for example dataset="fashion_mnist"')
        if self.weights is not None and self.dataset is None:
            raise UserError("weights needs the data set they were trained on", hint="dataset=...")

    def entry(self, network: Network, search_path: Sequence[Path]) -> dict[str, Any]:
        """Return the entry of the probe ``compression`` for ``network``.

        Raises:
            UserError: a data set is given, but no file with trained weights.
        """
        found: dict[str, Any] = {"variants": [self.variant]}
        if self.dataset is None:
            return found
        weights = network.trained if self.weights is None else self.weights
        if weights is None:
            what = f"{network.label} has no trained weights"
            raise UserError(what, hint='give weights="FILE", or a live model')
        folders = files.weights_folders(search_path, files.data_folder(None))
        if files.find(str(weights), folders) is None:
            raise UserError(f"no weights file '{weights}'")
        training = self.dataset
        if isinstance(training, str):
            training = {"dataset": training}
        return {**found, "weights": str(weights), "training": dict(training)}


def _accepted(records: Sequence[Record], networks: Sequence[Network]) -> list[Record]:
    """Return records under the identity of the networks; one that is not ok ends the test."""
    for record in records:
        if record.status == "skipped":
            pytest.skip(record.reason)
        if record.status != "ok":
            pytest.fail(f"{record.model}: {record.status}: {record.reason}", pytrace=False)
    # Give measurements the identity of the counts: a worker names a live network by its file, and
    # a builder's defaults are not known before it runs.
    named = {network.recorded_as: network for network in networks}
    return [dataclasses.replace(record, **named[record.model].identity) for record in records]


def _fail_if_any(head: str, broken: Iterator[str]) -> None:
    if found := list(broken):
        pytest.fail("\n".join([f"{head}:", *found]), pytrace=False)


def _warn(message: str) -> None:
    warnings.warn(f"cnn_budget: {message}", UserWarning, stacklevel=2)


def _certain(model: str, found: Iterator[tuple[str, bool]]) -> Iterator[str]:
    """Yield the messages of budgets that are certainly exceeded; warn of the others."""
    for message, is_certain in found:
        if is_certain:
            yield message
        else:
            warnings.warn(f"{model}: {message} (uncertain)", UserWarning, stacklevel=5)
