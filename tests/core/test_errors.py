"""What an exception says, whoever raised it and however it is spelt."""

import pytest

from cnnbench.core.errors import is_out_of_memory


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (OSError("no file 'caf\udce9'"), False),
        (OSError("'caf\udce9': OOM when allocating"), True),
    ],
)
def test_memory_ran_out(error: BaseException, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one
