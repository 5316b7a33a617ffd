"""Metadata in a LiteRT file: labels, preprocessing, and facts for cnnbench.

Two places, both of them LiteRT's own. The buffer ``TFLITE_METADATA`` holds a flatbuffer (schema
1.1.0 of tflite-support, ``metadata_schema.fbs``) that Android Studio, the Task Library and
MediaPipe read: colour space and normalisation of the input, and the name of the file with labels.
That file, ``labels.txt``, is in a zip archive appended to the flatbuffer, beside ``cnnbench.json``
(`models.file_facts`), which holds what that schema has no place for: the task, how pictures are
fitted, the encoding of the outputs, a preprocessing that mixes channels.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.models.file_facts import FileFacts
from cnnbench.models.litert import flatbuffer
from cnnbench.models.preprocessing import PixelMap

LABELS = "labels.txt"
_BUFFER = "TFLITE_METADATA"
_IDENTIFIER, _SCHEMA = b"M001", "1.0.0"  # the oldest parser that understands every field used
_AXIS_LABELS = 2  # of AssociatedFileType: one label for each value of an output
_RGB, _GREYSCALE = 1, 2  # of ColorSpaceType
_IMAGE, _FEATURE = 2, 1  # of ContentProperties
_NORMALIZATION = 1  # of ProcessUnitOptions


def with_facts(file: bytes, name: str, facts: FileFacts) -> bytes:
    """Return a LiteRT file with its facts; those that it has are replaced.

    Args:
        file: its bytes.
        name: the model's name, for people.
        facts: what is known of it.

    Raises:
        ValueError: it is not a LiteRT file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = flatbuffer.read(file)
    described = _described(flatbuffer.graph_of(model), name, facts)
    kept = [one for one in model.metadata or () if flatbuffer.text_of(one.name) != _BUFFER]
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(described, np.uint8)
    entry.name, entry.buffer = _BUFFER, len(model.buffers)
    model.buffers = [*model.buffers, buffer]
    model.metadata = [*kept, entry]
    stream = io.BytesIO(flatbuffer.write(model))
    with zipfile.ZipFile(stream, "a") as archive:
        if facts.classes:
            labels = "".join(f"{label}\n" for label in facts.classes)
            content = labels.encode(errors="backslashreplace")
            archive.writestr(zipfile.ZipInfo(LABELS), content)  # no time: the same bytes
        facts.add_to(archive)
    return stream.getvalue()


def read_facts(file: Path) -> FileFacts | None:
    """Return the facts that `with_facts` put into a file; None if it has none.

    Raises:
        ValueError, zipfile.BadZipFile: they are damaged.
    """
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        return FileFacts.read(archive)


def normalisation(pixels: PixelMap | None) -> tuple[list[float], list[float]] | None:
    """Return mean and deviation of each channel, ``(pixel - mean) / deviation``, as the format has.

    None for a preprocessing that mixes channels, or is unknown.
    """
    if pixels is None:
        return None
    scale = np.diag(pixels.matrix)
    if not np.array_equal(np.diag(scale), pixels.matrix) or not scale.all():
        return None
    return (0 - pixels.offset / scale).tolist(), (1 / scale).tolist()


def _described(graph: flatbuffer.Network, name: str, facts: FileFacts) -> bytes:
    """Return the flatbuffer of the standard metadata."""
    from ai_edge_litert import schema_py_generated as schema

    builder = schema.flatbuffers.Builder(1024)
    inputs = [_input(builder, tensor, facts) for tensor in graph.inputs]
    outputs = [_output(builder, place, tensor, facts) for place, tensor in enumerate(graph.outputs)]
    of_graph = _table(
        builder,
        7,
        {2: _offset(_offsets(builder, inputs)), 3: _offset(_offsets(builder, outputs))},
    )
    fields: dict[int, _Field] = {
        0: _offset(builder.CreateString(name)),
        1: _offset(builder.CreateString(f"{facts.task}, made by cnnbench")),
        3: _offset(_offsets(builder, [of_graph])),
        7: _offset(builder.CreateString(_SCHEMA)),
    }
    builder.Finish(_table(builder, 8, fields), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: Any, tensor: flatbuffer.Tensor, facts: FileFacts) -> int:
    space = _GREYSCALE if tensor.shape[-1] == 1 else _RGB
    properties = _table(builder, 2, {0: lambda slot: builder.PrependInt8Slot(slot, space, 0)})
    fields: dict[int, _Field] = {
        0: _offset(builder.CreateString("image")),
        1: _offset(
            builder.CreateString(f"image of {'x'.join(map(str, tensor.shape[1:]))}, 0..255")
        ),
        3: _offset(_union(builder, _IMAGE, properties)),
    }
    if (found := normalisation(facts.pixels)) is not None:
        means, deviations = (builder.CreateNumpyVector(np.array(x, np.float32)) for x in found)
        options = _table(builder, 2, {0: _offset(means), 1: _offset(deviations)})
        unit = _union(builder, _NORMALIZATION, options)
        fields[4] = _offset(_offsets(builder, [unit]))
    return _table(builder, 7, fields)


def _output(builder: Any, place: int, tensor: flatbuffer.Tensor, facts: FileFacts) -> int:
    has_labels = facts.classes and tensor.shape[-1:] == (len(facts.classes),)
    named = facts.outputs[place : place + 1] or (("probability",) if has_labels else ())
    fields: dict[int, _Field] = {
        0: _offset(builder.CreateString(named[0] if named else tensor.name)),
        3: _offset(_union(builder, _FEATURE, _table(builder, 0, {}))),
    }
    if has_labels:
        labels: dict[int, _Field] = {
            0: _offset(builder.CreateString(LABELS)),
            1: _offset(builder.CreateString("the classes, in the order of the values")),
            2: lambda slot: builder.PrependInt8Slot(slot, _AXIS_LABELS, 0),
        }
        fields[6] = _offset(_offsets(builder, [_table(builder, 4, labels)]))
    return _table(builder, 7, fields)


def _union(builder: Any, kind: int, table: int) -> int:
    """Return a table whose first field is a union: its kind, and the table."""
    fields: dict[int, _Field] = {
        0: lambda slot: builder.PrependUint8Slot(slot, kind, 0),
        1: _offset(table),
    }
    return _table(builder, 3, fields)


_Field = Callable[[int], Any] | tuple[int]
"""Writes a value into the slot it is given; or the offset of what has been written before."""


def _offset(value: int) -> tuple[int]:
    """Return a field that refers to what has been written before."""
    return (value,)


def _table(builder: Any, count: int, fields: Mapping[int, _Field]) -> int:
    builder.StartObject(count)
    for slot, field in fields.items():
        if callable(field):
            field(slot)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, field[0], 0)
    return int(builder.EndObject())


def _offsets(builder: Any, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())
