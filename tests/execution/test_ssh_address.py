"""Addresses of devices: what is read, what is refused, and the command that follows."""

from __future__ import annotations

import shlex

import pytest

from cnnbench.errors import UserError
from cnnbench.execution import executor as executors
from cnnbench.execution.ssh.address import Address, command_there
from cnnbench.execution.ssh.executor import SshExecutor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("board", Address("board")),
        ("pi@board", Address("board", "pi")),
        ("pi@10.0.0.7:2222", Address("10.0.0.7", "pi", 2222)),
        ("[fe80::1%eth0]:22", Address("[fe80::1%eth0]", "", 22)),
        ("pi@board/opt/venv/bin/python", Address("board", "pi", None, "/opt/venv/bin/python")),
        ("board/~/venv/bin/python", Address("board", "", None, "/~/venv/bin/python")),
    ],
)
def test_an_address_is_read_and_written(text: str, expected: Address) -> None:
    assert Address.read(text) == expected
    assert str(expected) == f"ssh://{text}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'ssh://' is not the address of a device"),
        ("-oProxyCommand=x", "'ssh://-oProxyCommand=x' is not the address of a device"),
        ("pi@-oProxyCommand=x", "'ssh://pi@-oProxyCommand=x' is not the address of a device"),
        ("-l@board", "'ssh://-l@board' is not the address of a device"),
        ("board;reboot", "'ssh://board;reboot' is not the address of a device"),
        ("board/bin/sh -c x", "'ssh://board/bin/sh -c x' is not the address of a device"),
        ("board/$(reboot)", "'ssh://board/$(reboot)' is not the address of a device"),
        ("pi:secret@board", "an address takes no password: ssh uses keys"),
        ("board:0", "0 is not a port"),
        ("board:65536", "65536 is not a port"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        executors.find(f"ssh://{text}", "--on")
    assert error.value.one_line().startswith(f"--on: {message} (")


def test_the_executor_is_made_without_a_connection() -> None:
    executor = executors.find("ssh://nowhere.invalid")
    assert isinstance(executor, SshExecutor)
    assert not executor.uses_this_machine


def test_nothing_asks_for_a_password_and_the_host_cannot_be_an_option() -> None:
    words = Address.read("pi@board:2222").command("pass")
    assert words[0] == "ssh"
    assert "BatchMode=yes" in words
    host = words.index("--")
    assert words[host + 1] == "board"
    assert words[host - 4 : host] == ["-p", "2222", "-l", "pi"]
    assert len(words) == host + 3


def test_the_shell_there_sees_one_command_with_the_code_as_one_word() -> None:
    there = shlex.split(command_there('print("$HOME `x`")', "/opt/my+env/bin/python"))
    assert there[0] == "env" and "PYTHONHASHSEED=0" in there
    assert there[-4:] == ["/opt/my+env/bin/python", "-u", "-c", 'print("$HOME `x`")']
    assert (
        command_there("pass", "/~/v/bin/python")
        .split(" -u -c")[0]
        .endswith(' "$HOME"//v/bin/python'.replace("//", "/"))
    )
