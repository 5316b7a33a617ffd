"""Recipe ``none``: evaluate a network with its own weights on a data set's test images.

It is for networks in files. The images are those that a training of the same entry would be
evaluated on, read in the same way, so that a file stands beside the network it was made from.
"""

from __future__ import annotations

from dataclasses import replace

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.data.pictures import data_details
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy import examples, task_options
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks.objective import concatenated
from cnnbench.tasks.task import Arrays, TrainedOn

_CHUNK = 256  # test images that are preprocessed at once


def evaluate(
    model: ModelHandle, setting: AccuracySetting, request: Request, context: Context
) -> ProbeResult:
    """Evaluate ``model`` on the test images of a data set.

    Args:
        model: comes with its own weights.
        setting: of the cell.
        request: for the images, at the size of the model's input.
        context: of the job.

    Raises:
        Unavailable: the data is missing.
        JobFailed: the data set's classes are not those of the network, or the file cannot be run.
    """
    context.report_progress(f"reading {setting.dataset}")
    # No training images are read, and so those of a packaged data set need not be elsewhere.
    fewest = replace(request, train_examples=1)
    splits = setting.data_set.load(fewest, context.data_dir, context.search_path)
    chosen = loading.subset(splits.test.labels, request.test_examples)
    test = loading.read_part(splits.test, chosen, request)
    options = task_options.parsed(setting.goal, setting.options)
    trained_on = TrainedOn(False, stated=model.class_names)
    objective = setting.goal.fixed_objective(
        splits.classes, setting.dataset, model, trained_on, options
    )
    trained, path = network.select_output(model, model.build(), setting.goal)
    preprocess = network.preprocessing(model, setting)
    encoding = objective.encoding(trained)
    parts: list[Arrays] = []
    for start in range(0, len(test), _CHUNK):
        context.report_progress(f"testing on {len(test):,} images, {start:,} done")
        images = test.images[start : start + _CHUNK].astype("float32")
        outputs = trained.predict_on_batch(preprocess(images))
        parts.append(objective.answers(network.as_arrays(outputs), encoding))
    answers, targets = concatenated(parts), objective.targets(test)
    found = objective.evaluate(answers, targets, encoding)
    rows = examples.places(len(test))
    shown = examples.Evaluated(rows, list(test.images[rows]), answers, targets)
    notes = [*network.notes(trained, preprocess), *found.notes]
    for note in (*splits.notes, *notes):
        context.report_progress(note)
    return ProbeResult(
        metrics=dict(found.metrics),
        details={
            **found.details,
            **examples.kept(shown, objective, encoding, context),
            **network.output_details(path),
            "is_trained_here": False,
            **data_details(splits, notes),
        },
    )
