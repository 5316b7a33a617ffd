"""`export`: a variant of a trained model as a LiteRT file, as ``cnnbench export`` makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnbench import files
from cnnbench.api import export_plan, live
from cnnbench.execution.executor import Executor
from cnnbench.probes.compression.export_options import ExportOptions


def export(
    model: Any,
    out: Path | str,
    *,
    of_run: str | None = None,
    variant: str = "float32",
    weights: Path | str | None = None,
    dataset: str | None = None,
    image_size: int | None = None,
    recipe: str | None = None,
    representative: int | None = None,
    fine_tune_epochs: int | None = None,
    fine_tune_rate: float | None = None,
    nms: bool = False,
    int8_io: bool = False,
    data_dir: Path | str | None = None,
    report_progress: Callable[[str], None] = lambda message: None,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Make a variant of a trained model, write it as a LiteRT file, and return its card.

    The card describes the file; it is also written beside it with the ending ``.json``.

    Args:
        model: a name as on the command line, a live Keras model, which brings its weights, or the
            folder of a run, which knows weights, data set and settings.
        out: the file to write, for example ``model.tflite``.
        of_run: the model of the run; by default the answer to its suite's question, or the only one
            that it has trained.
        variant: ``ptq-int8``, ``pruned-50+qat-int8``, ... By default the model as it is.
        weights: a file with the trained weights, for a model that comes without.
        dataset: the data set that it was trained on, for calibration, fine-tuning and the accuracy
            of the file.
        image_size: side of its images in px, if the model states no input shape.
        recipe: how it was trained: ``scratch`` or ``transfer``.
        representative: training images for the calibration of ``ptq-int8``; 100, or as in the run.
        fine_tune_epochs: epochs of each step that fine-tunes; 2, or as in the run.
        fine_tune_rate: learning rate of these steps; 0.0001, or as in the run.
        nms: put decoding and NMS of a detector inside the file.
        int8_io: give the file int8 inputs and outputs.
        data_dir: folder with data sets and weights; by default ``CNNBENCH_DATA``.
        report_progress: takes progress messages.
        executor: where the jobs run; by default on this machine.

    Raises:
        UserError: an option is wrong, the weights do not fit, or the file cannot be written.
        CnnbenchError: the variant cannot be made; the log is kept next to the file.
    """
    with live.named(model) as name:
        needs_own = weights is None and dataset is not None and live.is_live(model)
        given = name if needs_own else weights
        options = ExportOptions(
            model=name,
            variant=variant,
            weights=None if given is None else Path(given),
            out=Path(out),
            dataset=dataset,
            image_size=image_size,
            recipe=recipe,
            representative=representative,
            fine_tune_epochs=fine_tune_epochs,
            fine_tune_rate=fine_tune_rate,
            nms=nms,
            int8_io=int8_io,
        )
        return export_plan.carry_out(
            options, of_run, files.data_folder(data_dir), report_progress, executor
        )
