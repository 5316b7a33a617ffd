"""The journal keeps what was written, whatever happened after."""

from __future__ import annotations

import math
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.errors import UserError
from cnnbench.record import SCHEMA_VERSION, Record
from cnnbench.report import files
from cnnbench.results.journal import Header, Journal, read
from tests.records import record

HEADER = Header(plan="p", environment="e", cnnbench="0.1.0")
RECORD = Record(
    key="k", attempt=1, model="LeNet5", variant="float32", probe="static",
    setting={"batch_size": 1}, repeat=0, status="ok", reason="", input_shape=(32, 32, 1),
    classes=10,
    metrics={"params": 61706.0}, environment="e",
)  # fmt: skip


def test_reads_back_appended_records(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    with Journal(file, HEADER) as journal:
        journal.append(RECORD)
        journal.append(replace(RECORD, repeat="prepare", attempt=2, reason='a "quoted"\nline'))
        assert len(journal.of("k")) == 2
    header, records = read(file)
    assert header == HEADER
    assert records == [
        RECORD,
        replace(RECORD, repeat="prepare", attempt=2, reason='a "quoted"\nline'),
    ]
    with Journal(file, HEADER) as journal:
        assert journal.records == records


@given(cut=st.integers(min_value=0, max_value=400))
def test_drops_only_a_torn_last_line(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    file = tmp_path_factory.mktemp("torn") / "records.jsonl"
    with Journal(file, HEADER) as journal:
        journal.append(RECORD)
        journal.append(replace(RECORD, repeat=1))
    whole = file.read_bytes()
    file.write_bytes(whole[: max(0, len(whole) - cut)])
    kept = max(0, file.read_bytes().count(b"\n") - 1)
    with Journal(file, HEADER) as journal:
        assert len(journal.records) == kept
        journal.append(replace(RECORD, repeat=2))
    assert [r.repeat for r in read(file)[1]] == [*range(kept), 2]


def test_writes_numbers_that_are_not_finite_as_null(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    with Journal(file, HEADER) as journal:
        journal.append(replace(RECORD, metrics={"loss": math.nan}))
    assert b"NaN" not in file.read_bytes()
    assert read(file)[1][0].metrics == {"loss": None}


def test_escapes_unpaired_surrogates_in_records(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    odd = replace(RECORD, reason="no file 'caf\udce9'", details={"problems\udce9": ["\ud800", 1.5]})
    with Journal(file, HEADER) as journal:
        journal.append(odd)
        journal.append(replace(RECORD, reason="caf\u00e9 \U0001f600"))
    first, second = read(file)[1]
    assert first.reason == "no file 'caf\\udce9'"
    assert first.details == {"problems\\udce9": ["\\ud800", 1.5]}
    assert second.reason == "caf\u00e9 \U0001f600"


def test_shows_text_with_half_a_surrogate_pair(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    odd = replace(RECORD, status="failed", reason="REASON", setting={"batch_size": 1})
    line = odd.to_json().replace("REASON", r"\ud800 \ud83d\ude00")
    file.write_text(f"{HEADER.to_json()}\n{line}\n")
    assert read(file)[1][0].reason == "\\ud800 \U0001f600"
    files.text(tmp_path).encode()
    files.write(tmp_path)


def test_a_full_disk_does_not_damage_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "records.jsonl"
    with Journal(file, HEADER) as journal:
        journal.append(RECORD)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        whole = file.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 50, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                journal.append(replace(RECORD, repeat=1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert file.read_bytes() == whole
        journal.append(replace(RECORD, repeat=2))
    assert [r.repeat for r in read(file)[1]] == [0, 2]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "its first line is not a header"),
        ("{}\n", "its first line is not a header"),
        ("hello\n", "its first line is not a header"),
        (HEADER.to_json().replace(":1}", ":Infinity}") + "\n", "not a cnnbench journal"),
        (HEADER.to_json() + "\nhello\n{}\n", r"records\.jsonl:2: a damaged record"),
        (HEADER.to_json() + "\n{}\n", r"records\.jsonl:2: a damaged record"),
        (HEADER.to_json() + "\n[1]\n", "not a JSON object"),
        (replace(HEADER, schema_version=SCHEMA_VERSION + 1).to_json() + "\n", "newer than this"),
    ],
)
def test_refuses_a_file_that_is_no_journal(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(text)
    with pytest.raises(UserError, match=complaint):
        read(file)


@pytest.mark.parametrize(
    ("probe", "setting", "name", "value"),
    [
        ("static", {}, "cell_limit_s", "3min"),
        ("static", {}, "beside", "mobile"),
        ("accuracy", {"dataset": "digits", "image_size": 8}, "n_problems", "many"),
        ("accuracy", {"dataset": "digits", "image_size": 8}, "problems", [1]),
        ("accuracy", {"dataset": "digits", "image_size": 8}, "n_test", 0),
        ("accuracy", {"dataset": "digits", "image_size": 8}, "chance", None),
        ("compression", {"part": "convert"}, "n_test", 0),
        ("compression", {"part": "convert"}, "flags", "drifting"),
        ("latency", {"runtime": "graph"}, "flags", "drifting"),
    ],
)
def test_checks_details_that_tables_use(
    tmp_path: Path, probe: str, setting: dict[str, object], name: str, value: object
) -> None:
    file = tmp_path / "records.jsonl"
    wrong = record("Alpha", probe, setting=setting, details={name: value})
    lines = [HEADER.to_json(), wrong.to_json()]
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=rf"records\.jsonl:2: a damaged record: 'details\.{name}'"):
        read(file)


def test_refuses_a_share_above_one(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(f"{HEADER.to_json()}\n{replace(RECORD, metrics={'top1': 5.0}).to_json()}\n")
    with pytest.raises(UserError, match=r"'metrics\.top1' is 5\.0, not a share"):
        read(file)


def test_a_missing_journal_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "records.jsonl")
