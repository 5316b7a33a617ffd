"""Records of stages -> estimates, and the report's section."""

from __future__ import annotations

from typing import Any

import pytest

from cnnbench.probes.stages import summary
from cnnbench.probes.stages.settings import STAGES
from cnnbench.record import Record
from cnnbench.report.sections import stages as section
from cnnbench.results.tables import measured
from cnnbench.statistics.measurement import OK
from tests.probes.test_stages import settings
from tests.records import record


def rounds(nms: bool = False, share: float | None = None, **stages: float) -> list[Record]:
    """Return six rounds in which every call of a stage takes so many seconds, as well as 1 %."""
    found = []
    changed = {"nms": nms, "in_sequence": share is not None, "copies": "copy_in" in stages}
    setting = settings()[1].model_copy(update=changed).model_dump(mode="json")
    for repeat in range(6):
        scale = 1 + 0.002 * repeat
        metrics: dict[str, float] = {} if share is None else {"stages_share": share}
        samples, details = {}, {}
        for stage, seconds in stages.items():
            calls = [seconds * scale] * 100
            samples[f"{stage}_s"] = calls
            metrics |= {
                f"{stage}_{name}": calls[0] for name in ("location_s", "mean_s", "p50_s", "p90_s")
            }
            if share is not None:
                metrics[f"{stage}_typical_s"] = 0.9 * calls[0]
            details[stage] = {"flags": [], "disturbances": [], "is_disturbed": False}
        found.append(
            record("A", "stages", repeat, samples=samples, details=details, setting=setting,
                   **metrics)
        )  # fmt: skip
    return found


TIMES = dict(zip(STAGES, (0.001, 0.01, 0.002, 0.0131), strict=True))


def test_every_stage_is_estimated_like_a_latency() -> None:
    found = summary.summarise(rounds(**TIMES), OK)
    for stage, seconds in list(TIMES.items())[:-1]:
        assert found[f"{stage}_s"].value == pytest.approx(seconds, rel=0.02)
        assert found[f"{stage}_s"].low is not None
    assert found["end_to_end_p50_s"].value == pytest.approx(0.0131, rel=0.02)
    assert found["end_to_end_p90_s"].value is not None
    assert summary.are_precise(rounds(**TIMES), 0.05)
    assert not any(name.startswith("latency") for name in found)


def test_a_stage_in_sequence_has_the_time_of_typical_calls() -> None:
    found = summary.summarise(rounds(share=0.99, **TIMES), OK)
    assert found["network_s"].value == pytest.approx(0.9 * 0.01, rel=0.02)
    assert found["end_to_end_p50_s"].value == pytest.approx(0.0131, rel=0.02)
    assert found["stages_share"].value == pytest.approx(0.99)


def test_a_flag_of_one_stage_is_a_doubt_about_that_stage() -> None:
    flagged = rounds(**TIMES)
    for one in flagged:
        one.details["postprocess"]["flags"].append("untrained weights: not representative")
    found = summary.summarise(flagged, OK)
    assert found["postprocess_s"].is_doubtful and not found["network_s"].is_doubtful


def made(**details: Any) -> Record:
    setting = settings()[0].model_dump(mode="json")
    facts = {"task": "classification", "weights": "trained here", "pictures": "32 JPEG files"}
    return record("A", "stages", setting=setting, details=facts | details, train_s=3.0)


def test_the_section_shows_the_stages_side_by_side_with_the_quality() -> None:
    report = measured([made(quality="91.0 %"), *rounds(**TIMES)])
    shown = section.section(report)
    assert shown is not None
    (block,) = shown.blocks
    assert block.title == "cpu/litert/b1/digits/scratch/3ep"
    assert block.heads == (
        "Model", "Top-1", "JPEG → input", "network", "decode", "JPEG → classes"
    )  # fmt: skip
    (line,) = block.rows
    assert line[:2] == ("A", "91.0 %")
    assert [cell.split()[1] for cell in line[2:]] == ["ms"] * 4
    assert shown.notes == ("A: 32 JPEG files",)
    assert "side by side" not in shown.as_text() and "JPEG → input" in shown.as_markdown()


def test_the_section_shows_what_the_stages_add_up_to() -> None:
    apart = {"copy_in": 0.001, "compute": 0.008, "copy_out": 0.001}
    report = measured([made(), *rounds(share=0.992, **apart, **TIMES)])
    shown = section.section(report)
    assert shown is not None and "in the same calls" in shown.introduction
    (block,) = shown.blocks
    assert block.heads[2:] == (
        "JPEG → input", "copy in", "compute", "copy out", "network", "decode", "JPEG → classes",
        "stages add up to",
    )  # fmt: skip
    assert block.rows[0][-1] == "99.2 %"
    over = section.section(measured([made(), *rounds(share=1.008, **TIMES)]))
    assert over is not None and over.blocks[0].rows[0][-1] == "100.8 %"


def test_a_detector_has_heads_of_its_own() -> None:
    report = measured([made(task="detection", quality="0.41"), *rounds(**TIMES)])
    shown = section.section(report)
    assert shown is not None
    assert shown.blocks[0].heads[-2:] == ("decode + NMS", "JPEG → boxes")


def test_nms_inside_the_file_has_a_table_of_its_own() -> None:
    inside = rounds(nms=True, preprocess=0.001, finished=0.011, end_to_end=0.0122)
    found = summary.summarise(inside, OK)
    assert found["finished_s"].value == pytest.approx(0.011, rel=0.02)
    assert "network_s" not in found and "postprocess_s" not in found
    shown = section.section(measured([made(task="detection"), *rounds(**TIMES), *inside]))
    assert shown is not None
    first, second = shown.blocks
    assert first.title.startswith("cpu/litert/b1/") and len(first.heads) == 6
    assert second.title.startswith("cpu/litert/nms/b1/")
    assert second.heads[2:] == (
        "JPEG → input", "network with decode + NMS in the file", "JPEG → boxes"
    )  # fmt: skip


def test_the_quality_of_the_same_training_is_taken_where_the_weights_have_none() -> None:
    setting = {"dataset": "digits", "epochs": 3, "image_size": 32}
    label = settings()[0].label()
    trained = record("A", "accuracy", setting=setting, top1=0.5)
    report = measured([made(), *rounds(**TIMES), trained])
    (column,) = (name for name in report.numbers if name.startswith("top1@"))
    shown = section.section(report)
    assert shown is not None
    expected = "50.0 %" if column.partition("@")[2] == label else ""
    assert shown.blocks[0].rows[0][1].startswith(expected)


def test_no_section_without_stages() -> None:
    assert section.section(measured([record("A", "static", params=3)])) is None


def test_rejects_details_that_are_not_those_of_a_stage() -> None:
    assert summary.is_stage({"flags": ["drifting"]}) and summary.is_stage({})
    assert not summary.is_stage({"flags": [1]}) and not summary.is_stage([])
