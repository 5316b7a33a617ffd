"""The axis nms of the latency probe: settings, labels, and files that hold decoding and NMS."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from cnnbench.errors import JobFailed, Unavailable
from cnnbench.models import registry
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.latency import inside
from cnnbench.probes.latency.settings import LatencySetting, LatencySpec
from cnnbench.record import job_key
from cnnbench.results.csv_files import axes_of
from tests.probes.tiny import Tiny

CLASSIFIER, DETECTOR = (registry.resolve(text, []) for text in ("BasicCNN", "BasicCNN+yolo"))


class Trained(Tiny):
    """A detector in a file."""

    task = "detection"
    is_trained = True


NMS = LatencySetting(runtime="litert", nms=True)


def test_keys_of_cells_without_nms_are_those_of_earlier_versions() -> None:
    values = LatencySetting(runtime="litert").model_dump(mode="json")
    assert list(values) == ["runtime", "device", "batch_size", "threads", "dtype"]
    assert job_key({"name": "A"}, "float32", "latency", values, 0).startswith("206ccf5")
    assert "nms" not in CompressionSetting(part="train").model_dump(mode="json")
    assert NMS.model_dump(mode="json") == {**values, "nms": True}
    assert LatencySetting.model_validate(NMS.model_dump(mode="json")) == NMS


def test_the_label_says_that_nms_is_inside() -> None:
    assert LatencySetting(runtime="litert").label() == "cpu/litert/b1"
    assert NMS.label() == "cpu/litert/nms/b1"
    both = LatencySetting(runtime="onnxruntime", nms=True, batch_size=8, threads=2)
    assert both.label() == "cpu/onnxruntime/nms/b8/t2"


def test_the_file_with_nms_is_another_than_that_of_the_row() -> None:
    assert NMS.label_for("file_bytes") == "cpu/litert/nms/b1"
    assert LatencySetting(runtime="litert").label_for("file_bytes") == ""


@pytest.mark.parametrize("setting", [NMS, LatencySetting(nms=True, batch_size=8, threads=2)])
def test_a_column_tells_the_axes_of_its_setting(setting: LatencySetting) -> None:
    name = f"latency_p50_s@{setting.label()}"
    assert axes_of(name) == setting.axes_for("latency_p50_s")


def test_only_detectors_are_planned_with_nms() -> None:
    spec = LatencySpec(runtimes=["litert", "graph"], nms=[False, True])
    assert [one.label() for one in spec.settings(DETECTOR)] == [
        "cpu/litert/b1",
        "cpu/litert/nms/b1",
        "cpu/graph/b1",
        "cpu/graph/nms/b1",
    ]
    assert [one.label() for one in spec.settings(CLASSIFIER)] == ["cpu/litert/b1", "cpu/graph/b1"]
    assert not list(spec.misfits([CLASSIFIER]))


def test_nms_alone_needs_a_detector() -> None:
    spec = LatencySpec(nms=[True])
    assert not list(spec.misfits([CLASSIFIER, DETECTOR]))
    (misfit,) = spec.misfits([CLASSIFIER])
    assert misfit.key == ("nms",)
    assert "applies to none of its models" in misfit.error.one_line()


@pytest.mark.parametrize("wrong", [[], ["yes"], [1], [True, True]])
def test_rejects_other_values(wrong: list[object]) -> None:
    with pytest.raises(ValidationError):
        LatencySpec.model_validate({"nms": wrong})


def test_a_runtime_that_cannot_take_nms_says_why_in_one_line() -> None:
    message = "trace\n<unknown>:0: error: op not supported: NonMaxSuppressionV5\nmore"
    with pytest.raises(Unavailable) as caught, inside.refusing(NMS):
        raise ValueError(message)
    assert str(caught.value) == (
        "litert cannot run NMS inside the file: op not supported: NonMaxSuppressionV5"
    )
    with pytest.raises(ValueError), inside.refusing(LatencySetting()):
        raise ValueError(message)
    with pytest.raises(JobFailed), inside.refusing(NMS):
        raise JobFailed("as it is")


def test_times_of_untrained_weights_are_flagged() -> None:
    flags = ["untrained weights: the time of decode + NMS is not representative"]
    assert inside.doubts(DETECTOR, NMS) == flags
    (words,) = inside.doubts(Trained(), NMS)
    assert words.startswith("random pictures: ")
    assert not inside.doubts(DETECTOR, LatencySetting())


def test_without_nms_a_network_stays_as_it_is() -> None:
    network = object()
    assert inside.finished(DETECTOR, network, LatencySetting()) is network
    outputs, expected = [np.array([[1.0, 5.0]])], [np.array([[2.0, 5.0]])]
    assert inside.difference(DETECTOR, LatencySetting())(outputs, expected) == (1.0, 5.0)
