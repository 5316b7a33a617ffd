"""Exceptions of any library as one line, and the recognition of exhausted memory."""

import pytest

from cnnbench.errors import (
    CnnbenchError,
    JobFailed,
    Unavailable,
    UserError,
    UserErrors,
    all_of,
    brief,
    explained,
    is_out_of_memory,
    nearest,
    nearest_or_all,
    one_of,
    shown,
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (OSError("no file 'caf\udce9'"), False),
        (OSError("'caf\udce9': OOM when allocating"), True),
    ],
)
def test_recognises_exhausted_memory(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


class AbortedError(Exception):
    """Has the name of a TensorFlow exception."""


# The message of a TensorFlow error in the graph of a training step.
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
def test_reduces_a_library_error_to_one_line(error: BaseException, line: str) -> None:
    assert explained(error) == line


def test_cuts_a_long_message_between_words() -> None:
    words = brief("alpha beta, gamma " * 40, 60)
    assert words == "alpha beta, gamma alpha beta, gamma alpha beta, gamma …"
    assert len(words) <= 60
    assert brief("x" * 100, 60) == "x" * 59 + " …"
    assert brief("short") == "short"


@pytest.mark.parametrize("kind", [UserError, UserErrors, Unavailable, JobFailed])
def test_every_exception_has_one_base(kind: type[Exception]) -> None:
    assert issubclass(kind, CnnbenchError)


def test_a_user_error_states_place_problem_and_hint() -> None:
    assert str(UserError("bad", "s.yaml:3", "write 2")) == "s.yaml:3: bad (write 2)"
    assert str(UserError("bad")) == "bad"


def test_several_mistakes_are_one_exception_with_a_line_each() -> None:
    one = UserError("first")
    assert all_of([one]) is one
    assert str(all_of([one, UserError("second", "x")])) == "first\nx: second"
    assert str(UserErrors([one] * 60)).splitlines()[-1] == "and 10 more"


def test_names_match_without_case_and_separators() -> None:
    assert one_of("mobilenet-v2", ["ResNet50", "MobileNetV2"], "", "here") == "MobileNetV2"
    assert nearest("resnet_51", ["ResNet50"]) == "did you mean 'ResNet50'?"
    with pytest.raises(UserError, match=r"--only: 'x' is not in this suite \(one of: ResNet50\)"):
        one_of("x", ["ResNet50"], "--only", "this suite")


@pytest.mark.parametrize(
    ("name", "valid", "meant"),
    [
        ("CamNet", ["AlexNet", "LeNet5"], ""),
        ("AlexNte", ["AlexNet", "LeNet5"], "AlexNet"),
        ("AlxNet", ["AlexNet"], "AlexNet"),
        ("LeNet6", ["AlexNet", "LeNet5"], "LeNet5"),
        ("VGG99", ["VGG16", "VGG19"], "VGG19"),
        ("drop", ["dropout", "prop_size"], "dropout"),
        ("sorted", ["sort", "bytetrack"], "sort"),
        ("gird", ["grid"], "grid"),
        ("EffNetB0", ["EfficientNetB0"], ""),
        ("x", ["y"], ""),
    ],
)
def test_suggests_only_names_that_a_typing_error_explains(
    name: str, valid: list[str], meant: str
) -> None:
    assert nearest(name, valid) == (f"did you mean '{meant}'?" if meant else "")


def test_a_long_list_of_valid_names_is_cut() -> None:
    names = [f"model_{number}" for number in range(30)]
    hint = nearest_or_all("z", names)
    assert hint == f"one of: {', '.join(names[:20])} and 10 more"


def test_quotes_a_value_of_any_length() -> None:
    assert shown("a") == "'a'"
    assert len(shown("a" * 100)) == 60
    assert shown(10**10_000) == "a number with too many digits"
