"""LiteRT files as models: read without TensorFlow, integers at their ends, metadata, damage."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from cnnbench.errors import JobFailed, UserError
from cnnbench.models import registry
from cnnbench.models.file_facts import FileFacts
from cnnbench.models.litert import flatbuffer, integer_io, metadata
from cnnbench.models.litert.interpreter import LiteRTFile
from cnnbench.models.preprocessing import PixelMap
from tests.models import litert_files

IMAGE = np.array([0.1, 0.9, 0.2, 0.3], np.float32).reshape(1, 2, 2, 1)
FACTS = FileFacts(
    "classification",
    ("Trouser", "Bag", "größer"),
    PixelMap(np.array([[1 / 255]]), np.array([0.0])),
    fit="stretch",
    encoding="softmax",
    training={"dataset": "fashion_mnist", "epochs": 2},
)


def outputs(file: Path) -> np.ndarray:
    opened = LiteRTFile(file, 1)
    opened.load()
    opened.compile()
    (found,) = opened.outputs(opened.call(opened.feed(IMAGE)))
    return found


def integers(file: Path) -> Path:
    model = integer_io.with_integer_io(flatbuffer.read(file.read_bytes()))
    return litert_files.write(file.with_name("integers.tflite"), flatbuffer.write(model))


def test_a_file_written_again_computes_the_same(tmp_path: Path) -> None:
    file = litert_files.write(tmp_path / "net.tflite")
    again = flatbuffer.write(flatbuffer.read(file.read_bytes()))
    copy = litert_files.write(tmp_path / "again.tflite", again)
    np.testing.assert_array_equal(outputs(copy), outputs(file))
    expected = np.array([0.1, 0.9, 0.5])  # the kernel selects and adds pixels
    shares = np.exp(expected) / np.exp(expected).sum()
    np.testing.assert_allclose(outputs(file)[0], shares, atol=0.01)


def test_the_weights_of_a_written_file_are_aligned() -> None:
    root = schema.Model.GetRootAs(flatbuffer.write(litert_files.model()), 0)
    table = next(
        root.Buffers(place)._tab
        for place in range(root.BuffersLength())
        if root.Buffers(place).DataLength() == litert_files.KERNEL.size
    )
    assert litert_files.KERNEL.size < 16, "short vectors are data of other kinds"
    assert table.Vector(table.Offset(4)) % 4 == 0


def test_integers_at_the_ends_change_no_result(tmp_path: Path) -> None:
    file = litert_files.write(tmp_path / "net.tflite")
    graph = flatbuffer.graph_of(flatbuffer.read(integers(file).read_bytes()))
    (given,), (found,) = graph.inputs, graph.outputs
    assert (given.dtype, found.dtype) == ("INT8", "INT8")
    assert (given.zero_point, found.zero_point) == (-128, -128)
    assert given.scale == pytest.approx(1 / 255)
    assert [operator.kind for operator in graph.operators] == ["FULLY_CONNECTED", "SOFTMAX"]
    np.testing.assert_array_equal(outputs(integers(file)), outputs(file))


def test_names_the_operators_that_stay_in_floating_point() -> None:
    with pytest.raises(ValueError, match=r"2 of its operators .*: DEQUANTIZE \(float\), SOFTMAX"):
        integer_io.with_integer_io(litert_files.model(float_tail=True))


def test_a_file_carries_its_labels_and_its_preprocessing(tmp_path: Path) -> None:
    plain = litert_files.write(tmp_path / "plain.tflite")
    content = metadata.with_facts(plain.read_bytes(), "Net", FACTS)
    file = litert_files.write(tmp_path / "net.tflite", content)
    read = metadata.read_facts(file)
    assert read is not None and read.pixels is not None
    assert (read.classes, read.fit, read.encoding) == (FACTS.classes, "stretch", "softmax")
    assert read.training == FACTS.training
    with zipfile.ZipFile(file) as archive:
        assert archive.read("labels.txt").decode() == "Trouser\nBag\ngrößer\n"
    np.testing.assert_array_equal(outputs(file), outputs(plain))
    assert metadata.with_facts(plain.read_bytes(), "Net", FACTS) == content, "always the same bytes"
    again = metadata.with_facts(content, "Net", FileFacts(classes=("a", "b", "c")))
    replaced = metadata.read_facts(litert_files.write(tmp_path / "again.tflite", again))
    assert replaced is not None and replaced.classes == ("a", "b", "c")
    names = [flatbuffer.text_of(one.name) for one in flatbuffer.read(again).metadata]
    assert names == ["TFLITE_METADATA"]


def test_the_standard_metadata_names_colour_normalisation_and_labels(tmp_path: Path) -> None:
    content = metadata.with_facts(flatbuffer.write(litert_files.model()), "Net", FACTS)
    model = flatbuffer.read(content)
    (entry,) = model.metadata
    described = model.buffers[entry.buffer].data.tobytes()
    assert described[4:8] == b"M001"
    for text in (b"Net", b"image", b"probability", b"labels.txt", b"1.0.0"):
        assert text in described
    assert struct.pack("<f", 255.0) in described, "the deviation of (pixel - 0) / 255"


@pytest.mark.parametrize(
    ("matrix", "offset", "expected"),
    [
        ([[1 / 127.5]], [-1.0], ([127.5], [127.5])),
        ([[2.0, 0.0], [0.0, 4.0]], [1.0, -8.0], ([-0.5, 2.0], [0.5, 0.25])),
        ([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.0], None),  # RGB to BGR mixes channels
    ],
)
def test_normalisation_is_mean_and_deviation_of_each_channel(
    matrix: list[list[float]], offset: list[float], expected: tuple[list[float], ...] | None
) -> None:
    found = metadata.normalisation(PixelMap(np.array(matrix), np.array(offset)))
    assert (found is None) == (expected is None)
    if found and expected:
        np.testing.assert_allclose(found, expected)
    assert metadata.normalisation(None) is None


def test_a_file_is_resolved_without_tensorflow(tmp_path: Path) -> None:
    content = metadata.with_facts(flatbuffer.write(litert_files.model()), "Net", FACTS)
    litert_files.write(tmp_path / "net.tflite", content)
    command = (
        "import sys; from cnnbench.models import registry; m = registry.resolve('net.tflite');"
        "print(m.label, m.input_shape, m.classes, m.task, m.class_names, m.is_trained, m.fixed,"
        " m.converted_file.name, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr == ""
    words = "net.tflite (2, 2, 1) 3 classification ('Trouser', 'Bag', 'größer') True"
    assert done.stdout.startswith(words)
    assert done.stdout.endswith("net.tflite False\n")


def test_without_metadata_an_8_bit_input_takes_pixels_as_they_are(tmp_path: Path) -> None:
    litert_files.write(tmp_path / "net.tflite")
    integers(tmp_path / "net.tflite")
    pixels = np.array([0.0, 128.0, 255.0], np.float32)
    whole = registry.resolve("integers.tflite", (tmp_path,)).preprocess(pixels)
    np.testing.assert_allclose(whole, pixels / 255, rtol=1e-6)  # of scale 1/255, zero -128
    floats = registry.resolve("net.tflite", (tmp_path,)).preprocess(pixels)
    np.testing.assert_allclose(floats, pixels / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a LiteRT file"),
        (b"PK\x03\x04 and more", "not a LiteRT file"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (flatbuffer.write(litert_files.model())[:200], "truncated or damaged"),
        (flatbuffer.write(litert_files.model())[:-40], "truncated or damaged"),
        (b"\x1c\0\0\0TFL3" + bytes(40), "truncated or damaged"),
        (b"\xff\xff\xff\x7fTFL3" + bytes(40), "truncated or damaged"),
    ],
)
def test_reports_a_damaged_file(content: bytes, words: str, tmp_path: Path) -> None:
    litert_files.write(tmp_path / "net.tflite", content)
    with pytest.raises(UserError, match=words) as error:
        registry.resolve("net.tflite", (tmp_path,))
    assert str(tmp_path / "net.tflite") in str(error.value)


def test_reports_damaged_facts(tmp_path: Path) -> None:
    file = litert_files.write(tmp_path / "net.tflite")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("cnnbench.json", '{"task": 3}')
    with pytest.raises(UserError, match=r"its metadata is damaged: a task in its cnnbench\.json"):
        registry.resolve("net.tflite", (tmp_path,))


def test_a_custom_operator_is_named_when_the_file_is_opened(tmp_path: Path) -> None:
    file = litert_files.write(tmp_path / "net.tflite", custom="Whirl")
    opened = LiteRTFile(file, 1)
    with pytest.raises(JobFailed, match=r"LiteRT cannot run the file: .*Whirl"):
        opened.load()
        opened.compile()


def test_a_file_that_lists_no_image_is_refused(tmp_path: Path) -> None:
    model = litert_files.model()
    model.subgraphs[0].inputs = [2]
    litert_files.write(tmp_path / "net.tflite", flatbuffer.write(model))
    with pytest.raises(UserError, match="its input is 3x4, not one image"):
        registry.resolve("net.tflite", (tmp_path,))


def test_nothing_of_a_file_can_be_changed(tmp_path: Path) -> None:
    litert_files.write(tmp_path / "net.tflite")
    model = registry.resolve("net.tflite", (tmp_path,))
    assert model.fixed == {"input_shape", "classes"}
    with pytest.raises(
        UserError, match=r"net\.tflite has no parameters|does not take|no parameter"
    ):
        registry.resolve("net.tflite[alpha=0.5]", (tmp_path,))
