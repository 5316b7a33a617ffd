"""The roofline: its points and roof, and where its peaks come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench import plots
from cnnbench.errors import UserError
from cnnbench.report.html import page
from cnnbench.results import peaks
from cnnbench.results.peaks import Peak
from cnnbench.results.tables import Run, measured
from tests.records import record

FINGERPRINT = {"cpu": "a CPU", "cores": 2, "libraries": {"numpy": "2.0"}}
PEAKS = [Peak(1, 1e11, 1e10), Peak(2, 2e11, 2e10)]


def run_in(folder: Path) -> Run:
    """A run of one network: 2 MFLOP, 100 kB of weights and 60 kB of outputs, 1000 images/s."""
    counts = {"flops": 2_000_000, "macs": 10**6, "weight_bytes": 100_000}
    records = [
        record("A", "static", **counts, activation_sum_bytes=60_000),
        *(
            record(
                "A",
                "latency",
                repeat=number,
                setting={"runtime": "litert", "batch_size": batch},
                latency_location_s=0.001,
                latency_p50_s=0.001,
                throughput_per_s=1000.0,
            )
            for batch in (1, 4)
            for number in range(6)
        ),
    ]
    path = folder / "suite" / "20261124T062948Z"
    path.mkdir(parents=True)
    return Run(path, measured(records), environment={"fingerprint": FINGERPRINT})


def test_a_point_is_flops_per_byte_and_the_flops_reached(tmp_path: Path) -> None:
    peaks.keep(tmp_path, FINGERPRINT, PEAKS)
    chart = plots.roofline(run_in(tmp_path))
    assert "<svg" in plots.svg(chart)
    roofs, *_, points = chart.to_dict()["layer"]
    one, four = points["data"]["values"]
    # 2e6 / (100e3 + 60e3); with four images 8e6 / (100e3 + 4 * 60e3)
    assert one["intensity"] == 12.5
    assert four["intensity"] == pytest.approx(8e6 / 340e3)
    assert one["value"] == 2e9 and one["series"] == "cpu/litert/b1"
    # Ridges at 10 FLOPs per byte; from half the least to twice the largest.
    corners = [(row["intensity"], row["value"]) for row in roofs["data"]["values"]]
    assert corners[:3] == [(5, 5e10), (10, 1e11), (pytest.approx(2 * 8e6 / 340e3), 1e11)]
    assert corners[4] == (10, 2e11)
    assert roofs["data"]["values"][3]["roof"] == "2 threads: 200 GFLOP/s, 20 GB/s"


def test_without_peaks_the_page_says_what_to_type(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    with pytest.raises(UserError, match="cnnbench doctor"):
        plots.roofline(run)
    assert plots.is_without_peaks(run)
    assert "Roofline: no peaks of the machine are kept; type" in page(run)
    peaks.keep(tmp_path, FINGERPRINT, PEAKS)
    assert not plots.is_without_peaks(run)
    assert "Roofline: no peaks" not in page(run)


def test_a_run_without_latencies_has_no_roofline(tmp_path: Path) -> None:
    run = Run(tmp_path, measured([record("A", "static", flops=3)]))
    assert not plots.is_without_peaks(run)
    with pytest.raises(UserError, match="latency and static"):
        plots.roofline(run)


def test_a_busy_machine_does_not_lower_its_peaks(tmp_path: Path) -> None:
    peaks.keep(tmp_path, FINGERPRINT, PEAKS)
    peaks.keep(tmp_path, FINGERPRINT, [Peak(2, 1e11, 3e10), Peak(4, 4e11, 4e10)])
    kept = peaks.known(tmp_path, FINGERPRINT)
    assert kept == [PEAKS[0], Peak(2, 2e11, 3e10), Peak(4, 4e11, 4e10)]


def test_peaks_are_those_of_the_machine_whatever_its_libraries(tmp_path: Path) -> None:
    peaks.keep(tmp_path, FINGERPRINT, PEAKS)
    assert peaks.known(tmp_path, FINGERPRINT | {"libraries": {}}) == PEAKS
    assert peaks.known(tmp_path, FINGERPRINT | {"cores": 4}) == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"peaks": 3}', '{"peaks": [{"threads": 1}]}',
     '{"peaks": [{"threads": 1, "flops_per_s": -1, "bytes_per_s": 1}]}',
     '{"peaks": [{"threads": 1.5, "flops_per_s": 1, "bytes_per_s": 1}]}'],
)  # fmt: skip
def test_files_that_are_no_peaks_count_as_missing(tmp_path: Path, content: str) -> None:
    peaks.keep(tmp_path, FINGERPRINT, PEAKS).write_text(content)
    assert peaks.known(tmp_path, FINGERPRINT) == []
