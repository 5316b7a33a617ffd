"""Part ``finish``: the exported file, with what it says about itself, read back and checked.

It is the converted file of a variant, with labels and preprocessing inside, and on request with
integers at its inputs and outputs. Nothing else of it changes; it is evaluated again nevertheless,
as the file that will be shipped, and timed for a moment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnbench.data import datasets
from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.models import output_names
from cnnbench.models.file_facts import FileFacts
from cnnbench.models.handle import ModelHandle
from cnnbench.models.litert import flatbuffer, integer_io, metadata
from cnnbench.models.preprocessing import PixelMap
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression import conversion, images, networks, paths, training
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, timed_calls
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.tasks.task import TASKS, Arrays

_TIMING = TimingConfig(seconds=0.5, unsteady_s=0.5, warm_up_s=2.0, patience_s=0.0)
_FITS = {
    "crop": "cut out its centre at the aspect ratio of the input",
    "stretch": "stretch it to the input",
    "letterbox": "keep its aspect ratio and fill the rest",
}


def run(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Make and check the file; it and its facts, `paths.FINISHED`, are in the cell's folder.

    Raises:
        Unavailable: the variant was not converted.
        UserError: integers at the inputs and outputs are asked for, and something of the file
            stays in floating point; it is named.
        JobFailed: LiteRT cannot run the file, or its outputs are not finite.
    """
    folder = paths.variant_folder(handle, setting, context)
    source = paths.required(folder, paths.MODEL, "not converted")
    float32 = paths.float32_folder(handle, setting, context)
    card = training.card(float32)
    content = source.read_bytes()
    if setting.int8_io:
        content = _with_integer_io(content, setting.variant)
    facts = _facts(handle, setting, card, content)
    content = metadata.with_facts(content, handle.label, facts)
    file = context.artifacts / paths.MODEL
    file.write_bytes(content)
    opened = conversion.File(file)
    result = ProbeResult(metrics=conversion.sizes(content))
    data = images.load(handle, setting, context)
    if isinstance(data, images.DatasetImages):
        names = facts.outputs

        def structured(found: Sequence[np.ndarray]) -> Arrays:
            return dict(zip(names, found, strict=True)) if names else found[0]

        conversion.evaluate(result, opened, structured, data, card, float32, context, setting.nms)
    context.report_progress("timing the file")
    sized = handle.with_interface(tuple(card["input_shape"]), card["classes"])
    made = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "metrics": result.metrics,
        "latency": _timed(opened, sized),
        **_interface(content, facts),
    }
    replace_text(context.artifacts / paths.FINISHED, json.dumps(made, allow_nan=False))
    return result


def _with_integer_io(content: bytes, variant: str) -> bytes:
    try:
        return flatbuffer.write(integer_io.with_integer_io(flatbuffer.read(content)))
    except ValueError as error:
        hint = "ptq-int8 and qat-int8 quantise most networks wholly; these operators they do not"
        raise UserError(f"{variant}: {error}", "--int8-io", hint) from None


def _facts(
    handle: ModelHandle, setting: CompressionSetting, card: Mapping[str, Any], content: bytes
) -> FileFacts:
    """Return what the file says about itself."""
    trained = setting.training
    task = trained.task if trained else handle.task
    names = tuple(card.get("class_names", ())) or tuple(handle.class_names)
    preprocess = handle.preprocess if trained is None else network.preprocessing(handle, trained)
    known: dict[str, Any] = {}
    if trained is not None:
        names = tuple(trained.goal.network_classes(names))
        values = trained.model_dump(mode="json", include=set(accuracy.KNOWN))
        known = values | {"dataset": datasets.short_name(trained.dataset)}
    has_several = len(flatbuffer.graph_of(flatbuffer.read(content)).outputs) > 1
    return FileFacts(
        task=task,
        classes=names,
        pixels=PixelMap.of(preprocess, card["input_shape"][-1]),
        fit=trained.fit if trained else None,
        outputs=_output_paths(handle, setting, card) if has_several else (),
        encoding="" if setting.nms else card["outputs"],
        training=known,
    )


def _output_paths(
    handle: ModelHandle, setting: CompressionSetting, card: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the paths of the outputs in the order of the file, that of ``tf.nest.flatten``."""
    import tensorflow as tf

    trained = setting.training
    task = conversion.task_of(handle, setting)
    objective = (
        trained.objective(card["class_names"]) if trained else task.objective((), "random images")
    )
    shape = tuple(card["input_shape"])
    model, _ = networks.build(handle, trained, objective, shape, card["classes"])
    if setting.nms:
        model = task.finished(model, trained and trained.goal_options())
    structure = output_names.of(model)
    places = {id(output): path for path, output in output_names.named(structure).items()}
    return tuple(places[id(output)] for output in tf.nest.flatten(structure))


def _timed(opened: conversion.File, handle: ModelHandle) -> dict[str, Any]:
    """Return a short timing of the file in this process."""
    inputs = [opened.feed(calibrated_model.random_inputs(handle, 1, seed=seed)) for seed in (2, 3)]
    found = timed_calls.timed(opened.call, inputs, opened.threads, None, _TIMING)
    kept = {name: found.metrics[name] for name in ("latency_p50_s",) if name in found.metrics}
    return {
        **kept,
        "calls": found.details["calls"],
        "threads": opened.threads,
        "processes": 1,
        "flags": found.details["flags"],
    }


def _interface(content: bytes, facts: FileFacts) -> dict[str, Any]:
    """Return inputs and outputs of the file for the card, and how to use them in words."""
    graph = flatbuffer.graph_of(flatbuffer.read(content))
    given = graph.inputs[0]
    height, width, channels = given.shape[1:]
    fit = facts.fit or TASKS.find(facts.task).fit
    size = f"{height} x {width} px, {channels} channels, 0..255"
    steps = [f"resize the picture to {size}: {_FITS[fit]}"]
    preprocessing: dict[str, Any] = {"fit": fit}
    if facts.pixels is not None:
        preprocessing["pixels"] = facts.pixels.to_json()
        steps.append("x = matrix @ pixel + offset, of each pixel's channels")
    else:
        steps.append("apply the model's own preprocessing, which is not a map of single pixels")
    if (found := metadata.normalisation(facts.pixels)) is not None:
        preprocessing |= {"mean": found[0], "std": found[1]}
        steps[-1] = "x = (pixel - mean) / std, of each channel"
    if given.scale:
        steps.append(
            f"q = round(x / {given.scale:g}) + {given.zero_point}, limited to the range of "
            f"{given.dtype.lower()}"
        )
    if any(tensor.scale for tensor in graph.outputs):
        steps.append("output value = scale * (q - zero_point), of that output")
    names = facts.outputs or ("",) * len(graph.outputs)
    return {
        "input": _tensor(given),
        "outputs": [
            _tensor(one) | ({"name": name} if name else {})
            for one, name in zip(graph.outputs, names, strict=True)
        ],
        "labels": list(facts.classes),
        "preprocessing": preprocessing,
        "how_to_use": steps,
    }


def _tensor(tensor: flatbuffer.Tensor) -> dict[str, Any]:
    found: dict[str, Any] = {"shape": list(tensor.shape), "dtype": tensor.dtype.lower()}
    if tensor.scale:
        found |= {"scale": tensor.scale, "zero_point": tensor.zero_point}
    return found
