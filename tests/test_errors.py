"""What an exception says, whoever raised it and however it is spelt."""

import pytest

from cnnbench.errors import brief, explained, is_out_of_memory


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


class AbortedError(Exception):
    """Named as TensorFlow's."""


# As TensorFlow words an error in the graph of a training step.
GRAPH_ERROR = """Graph execution error:

Detected at node functional_1/conv/Conv2D defined at (most recent call last):
  File "/home/somebody/train.py", line 5, in <module>

  File "/home/somebody/keras/src/backend/tensorflow/nn.py", line 1438, in conv

{}
\t [[{{{{node functional_1/conv/Conv2D}}}}]] [Op:__inference_multi_step_on_iterator_274]"""
PRIMITIVE = (
    "Operation received an exception:Status: 3, message: could not create a primitive, in file "
    "tensorflow/core/kernels/mkl/mkl_conv_ops.cc:1112"
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            AbortedError(GRAPH_ERROR.format(PRIMITIVE)),
            "AbortedError: Operation received an exception:Status: 3, message: could not create a "
            "primitive (oneDNN failed, often for lack of memory: try a smaller batch or fewer "
            "jobs at once, or TF_ENABLE_ONEDNN_OPTS=0)",
        ),
        (
            ValueError(GRAPH_ERROR.format("Received a label value of 9,\nwhich is too large")),
            "ValueError: Received a label value of 9, which is too large",
        ),
        (
            ValueError("{{function_node __wrapped__Reshape_device_/job:x}} No shape [Op:Reshape]"),
            "ValueError: No shape",
        ),
        (
            ValueError(
                'in user code:\n\n    File "/tmp/n.py", line 8, in f  *\n        return g(x)\n\n'
                "    ValueError: Cannot reshape"
            ),
            "ValueError: Cannot reshape",
        ),
        (ValueError("\x1b[1mA layer\x1b[0m fails.\n\nArguments received by call():\n • x"),
         "ValueError: A layer fails."),
        (KeyError(), "KeyError"),
    ],
)  # fmt: skip
def test_a_library_s_error_is_one_line_of_what_matters(error: BaseException, line: str) -> None:
    assert explained(error) == line


def test_a_long_message_is_cut_between_words() -> None:
    words = brief("alpha beta, gamma " * 40, 60)
    assert words == "alpha beta, gamma alpha beta, gamma alpha beta, gamma …"
    assert len(words) <= 60
    assert brief("x" * 100, 60) == "x" * 59 + " …"
    assert brief("short") == "short"
