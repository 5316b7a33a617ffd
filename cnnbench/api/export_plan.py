"""Plan of an export: of a model, or of a network that a run has trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cnnbench.api import run_networks
from cnnbench.api.run_networks import TrainedNetwork
from cnnbench.errors import UserError
from cnnbench.execution import single_jobs
from cnnbench.execution.executor import Executor
from cnnbench.files import check_path
from cnnbench.models import registry
from cnnbench.probes.compression import export as exporting
from cnnbench.probes.compression import export_options, settings
from cnnbench.probes.compression.export import Export
from cnnbench.probes.compression.export_options import ExportOptions
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record
from cnnbench.results import journal, tables
from cnnbench.results.tables import Run
from cnnbench.selection.answer import answer


def carry_out(
    options: ExportOptions,
    of_run: str | None = None,
    data_dir: Path | None = None,
    report_progress: Callable[[str], None] = lambda message: None,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Make a LiteRT file and its card; return the card.

    Args:
        options: what is wanted. Its ``model`` may be a folder of a run, or of a suite for its
            newest run: the network, its data set, preprocessing, size and classes are then the
            run's, and what the run has converted already is taken as it is.
        of_run: the model of the run; by default the answer to its suite's question, or the only one
            that it has trained.
        data_dir: holds data sets, or None.
        report_progress: takes progress messages.
        executor: where the jobs run; by default on this machine.

    Raises:
        UserError: an option is wrong, or the run has no such trained network.
        CnnbenchError: the variant cannot be made; the log is kept next to the file.
    """
    run_jobs = partial(
        single_jobs.run, data_dir=data_dir, report_progress=report_progress, executor=executor
    )
    return exporting.export(planned(options, of_run), run_jobs)


def planned(options: ExportOptions, of_run: str | None = None) -> Export:
    """Return the export that the options ask for; arguments and errors as of `carry_out`."""
    folder = Path(options.model)
    if is_run(folder):
        return _of_run(folder, options, of_run)
    if of_run is not None:
        what = "is not the folder of a run"
        hint = "name a folder with a records.jsonl, or give one MODEL only"
        raise UserError(what, options.model, hint)
    return export_options.resolve(options, (Path.cwd(),))


def is_run(folder: Path) -> bool:
    """Return whether this is the folder of a run, or of a suite with runs."""
    return check_path(folder.is_dir) and bool(
        check_path((folder / journal.FILE_NAME).exists) or journal.runs(folder)
    )


def _of_run(folder: Path, options: ExportOptions, of_run: str | None) -> Export:
    if options.weights is not None:
        raise UserError("a run has its own weights", "--weights", "omit it, or name a MODEL")
    run = tables.load(folder)
    of_run = of_run or _winner(run)
    network = run_networks.chosen(
        run_networks.trained_networks(run.path, run.raw),
        run.raw,
        run.path,
        model=of_run,
        dataset=options.dataset,
        recipe=options.recipe,
        image_size=options.image_size,
    )
    variant = export_options.read_variant(options.variant)
    defaults = _making_of(str(variant), network, run.raw)
    setting = network.setting.model_copy(
        update={
            "part": "convert",
            "variant": str(variant),
            "nms": options.nms,
            "int8_io": options.int8_io,
            **export_options.making(variant, options, defaults),
        }
    )
    try:
        model = registry.resolve(network.label, (Path.cwd(),))
    except UserError as error:
        hint = "run this command in the folder of its suite"
        raise UserError(
            f"{network.label} of the run is not found: {error.what}", hint=hint
        ) from None
    export_options.check(setting, model)
    return Export(
        network.label,
        setting,
        options.out,
        (Path.cwd(),),
        training=network.training,
        kept=network.folder,
        origin=_origin(network, run.path),
    )


def _winner(run: Run) -> str | None:
    """Return the model that answers the question of the run's suite, if it states one."""
    found = answer(run)
    winner = found.choice.winner if found else None
    return winner.row.model if winner else None


def _making_of(variant: str, network: TrainedNetwork, records: Sequence[Record]) -> dict[str, Any]:
    """Return the options of steps with which the run made this variant, if it did."""
    for record in records:
        if record.probe != CompressionSetting.probe or record.model != network.label:
            continue
        setting = setting_of(record)
        assert isinstance(setting, CompressionSetting)
        same = setting.part == "convert" and setting.variant == variant
        if same and setting.training == network.setting.training and record.status == "ok":
            values = {name: getattr(setting, name) for name in settings.MAKING}
            return {name: value for name, value in values.items() if value}
    return {}


def _origin(network: TrainedNetwork, run: Path) -> dict[str, Any]:
    """Return the facts about the run for the card: nothing of where it lies on this machine."""
    found: dict[str, Any] = {
        "run": {
            "name": "/".join(run.resolve().parts[-2:]),
            "kept_by": network.by,
            "seed": network.seed,
            "key": network.record.key,
        }
    }
    if not network.is_of_this_source:
        words = f"the source of {network.label} has changed since the run"
        found["notes"] = [words]
    return found
