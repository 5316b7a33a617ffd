"""Generated scenes in files: kept, extended, made anew if damaged, shared by processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.data.scenes import Recipe, cache, generate
from cnnbench.data.scenes.cache import Wanted
from tests.processes import HANGS_AFTER_S

RECIPE = Recipe((1, 3), 32, (8, 20))


def wanted(count: int, recipe: Recipe = RECIPE) -> Wanted:
    return Wanted(recipe, "train", 0, count)


def file_of(folder: Path, recipe: Recipe = RECIPE) -> Path:
    return wanted(1, recipe).folder(folder) / "train-0.scenes"


def expected(count: int) -> np.ndarray:
    return generate.records(RECIPE, "train", range(count))


def test_scenes_are_kept_and_read_again(tmp_path: Path) -> None:
    made, remarks = cache.scenes(wanted(9), tmp_path)
    stamp = file_of(tmp_path).stat()
    again, more = cache.scenes(wanted(9), tmp_path)
    assert remarks == more == []
    assert made.tobytes() == again.tobytes() == expected(9).tobytes()
    after = file_of(tmp_path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (stamp.st_ino, stamp.st_mtime_ns)
    assert isinstance(again, np.memmap)


def test_fewer_scenes_are_read_from_a_larger_file_and_more_are_added_to_it(tmp_path: Path) -> None:
    cache.scenes(wanted(6), tmp_path)
    few, _ = cache.scenes(wanted(2), tmp_path)
    assert few.tobytes() == expected(2).tobytes()
    assert b'"count": 6' in file_of(tmp_path).read_bytes()[:512]
    many, remarks = cache.scenes(wanted(11), tmp_path)
    assert remarks == []
    assert many.tobytes() == expected(11).tobytes()
    assert b'"count": 11' in file_of(tmp_path).read_bytes()[:512]


def test_other_scenes_have_files_of_their_own(tmp_path: Path) -> None:
    others = (
        Wanted(RECIPE, "train", 0, 3),
        Wanted(RECIPE, "train", 5, 3),
        Wanted(RECIPE, "test", 0, 3),
        Wanted(Recipe((1, 3), 33, (8, 20)), "train", 0, 3),
    )
    for one in others:
        found, _ = cache.scenes(one, tmp_path)
        indices = range(one.first, one.first + 3)
        assert found.tobytes() == generate.records(one.recipe, one.split, indices).tobytes()
    assert len(list(tmp_path.rglob("*.scenes"))) == 4


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def of_another_recipe(file: Path) -> None:
    other = Recipe((1, 3), 32, (8, 21))
    cache.scenes(wanted(9, other), file.parents[2])
    shutil.copy(file_of(file.parents[2], other), file)


def promising_more(file: Path) -> None:
    data = file.read_bytes()
    header = {**json.loads(data[:512]), "count": 10**12}
    file.write_bytes(json.dumps(header).encode().ljust(512) + data[512:])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flipped, "is damaged"),
        (lambda file: file.write_bytes(file.read_bytes()[:-100]), "is damaged"),
        (lambda file: file.write_bytes(file.read_bytes() + b"x"), "is damaged"),
        (lambda file: file.write_bytes(b""), "is damaged"),
        (lambda file: file.write_bytes(b"[1, 2]".ljust(600)), "is damaged"),
        (lambda file: file.write_bytes(b"\xff" * 5000), "is damaged"),
        (promising_more, "is damaged"),
        (of_another_recipe, "is of other scenes"),
    ],
)
def test_a_damaged_or_foreign_file_is_made_anew_and_named(
    damage: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    cache.scenes(wanted(9), tmp_path)
    damage(file_of(tmp_path))
    found, remarks = cache.scenes(wanted(9), tmp_path)
    assert found.tobytes() == expected(9).tobytes()
    assert remarks == [f"{file_of(tmp_path)} {words}; its scenes were generated anew"]
    assert cache.scenes(wanted(9), tmp_path)[1] == []


def test_what_is_said_of_the_cache_reaches_the_result(tmp_path: Path) -> None:
    request = Request("scenes[px=32]", 32, 1, train_examples=4, test_examples=4, cache=tmp_path)
    assert loading.load(request).notes == ()
    damaged = next(tmp_path.rglob("train-0.scenes"))
    flipped(damaged)
    (note,) = loading.load(request).notes
    assert str(damaged) in note and "generated anew" in note


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    found, (remark,) = cache.scenes(wanted(3), tmp_path / "cache")
    assert found.tobytes() == expected(3).tobytes()
    assert "scenes are not kept in" in remark


def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "scenes").symlink_to(elsewhere)
    found, (remark,) = cache.scenes(wanted(3), tmp_path / "cache")
    assert found.tobytes() == expected(3).tobytes()
    assert "is a symbolic link" in remark
    assert list(elsewhere.iterdir()) == []


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    file_of(tmp_path).mkdir(parents=True)
    found, remarks = cache.scenes(wanted(3), tmp_path)
    assert found.tobytes() == expected(3).tobytes()
    assert "is not a file" in remarks[0] and "scenes are not kept" in remarks[1]


FULL_DISK = """
import resource, sys
from pathlib import Path
from cnnbench.data.scenes import Recipe, cache
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
wanted = cache.Wanted(Recipe((1, 3), 32, (8, 20)), "train", 0, 9)
found, remarks = cache.scenes(wanted, Path(sys.argv[1]))
sys.stdout.buffer.write(found.tobytes())
sys.stderr.write(*remarks)
"""


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected(9).tobytes()
    assert b"File too large" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    file_of(tmp_path).parent.mkdir(parents=True)
    file_of(tmp_path).with_name(".train-0.scenes.part").write_bytes(b"half")
    assert cache.scenes(wanted(3), tmp_path)[0].tobytes() == expected(3).tobytes()
    assert [path.name for path in file_of(tmp_path).parent.iterdir()] == ["train-0.scenes"]


def test_the_cache_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    found, _ = cache.scenes(wanted(9), tmp_path)
    shutil.rmtree(tmp_path / "scenes")
    assert found.tobytes() == expected(9).tobytes()
    assert cache.scenes(wanted(9), tmp_path)[1] == []


PROCESS = """
import sys
from pathlib import Path
from cnnbench.data.scenes import Recipe, cache
wanted = cache.Wanted(Recipe((1, 3), 32, (8, 20)), "train", 0, int(sys.argv[2]))
found, remarks = cache.scenes(wanted, Path(sys.argv[1]))
sys.stdout.buffer.write(found.tobytes())
sys.stderr.write("".join(remarks))
"""


def test_processes_that_want_the_same_scenes_at_once_all_get_them(tmp_path: Path) -> None:
    counts = (900, 700, 900)
    commands = [[sys.executable, "-c", PROCESS, str(tmp_path), str(count)] for count in counts]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    for count, process in zip(counts, running, strict=True):
        found, said = process.communicate(timeout=HANGS_AFTER_S)
        assert (process.returncode, said) == (0, b"")
        assert found == expected(count).tobytes()
    assert [path.name for path in file_of(tmp_path).parent.iterdir()] == ["train-0.scenes"]
