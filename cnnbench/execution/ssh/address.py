"""Addresses of devices: ``USER@HOST:PORT/path/to/python``, and the command of ``ssh`` for one."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Self

from cnnbench.environment import variables
from cnnbench.errors import UserError

SCHEME = "ssh"
_PYTHON = "python3"
# Names beginning with a dash would be options of ssh.
_ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<python>/[A-Za-z0-9._/+~-]*[A-Za-z0-9._+-])?"
)
_SYNTAX = "write ssh://USER@HOST, ssh://HOST:PORT, or ssh://HOST/path/to/python"
# Nothing may ask for a password, and a connection that is gone ends in a minute.
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
}


@dataclass(frozen=True)
class Address:
    """A device.

    Attributes:
        host: its name, an address, or an entry of the user's ``~/.ssh/config``.
        user, port: '' and None leave them to ``ssh``.
        python: path of the interpreter there; a path below ``/~/`` is in the user's home.
    """

    host: str
    user: str = ""
    port: int | None = None
    python: str = _PYTHON

    @classmethod
    def read(cls, text: str, where: str = "--on") -> Self:
        """Read what follows ``ssh://``.

        Raises:
            UserError: it is not an address.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            what = f"'{SCHEME}://{text}' is not the address of a device"
            if "@" in text and ":" in text.partition("@")[0]:
                what = "an address takes no password: ssh uses keys"
            raise UserError(what, where, _SYNTAX)
        port = int(found["port"]) if found["port"] else None
        if port is not None and not 1 <= port <= 65535:
            raise UserError(f"{port} is not a port", where, "from 1 to 65535")
        return cls(found["host"], found["user"] or "", port, found["python"] or _PYTHON)

    def __str__(self) -> str:
        user, port = f"{self.user}@" * bool(self.user), f":{self.port}" if self.port else ""
        python = self.python if self.python != _PYTHON else ""
        return f"{SCHEME}://{user}{self.host}{port}{python}"

    def command(self, code: str) -> list[str]:
        """Return the command that runs Python code on the device."""
        options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
        return [
            "ssh",
            "-T",
            *options,
            *(["-p", str(self.port)] if self.port else []),
            *(["-l", self.user] if self.user else []),
            "--",
            self.host.strip("[]"),
            command_there(code, self.python),
        ]


def command_there(code: str, python: str = _PYTHON) -> str:
    """Return the text that a shell runs: the interpreter, with variables as workers have them."""
    ours = {n: value for n, value in variables.OVERRIDDEN.items() if n.startswith("PYTHON")}
    unset = [word for name, value in ours.items() if value is None for word in ("-u", name)]
    words = ["env", *unset, *(f"{name}={value}" for name, value in ours.items() if value)]
    in_home = python.startswith("/~/")
    interpreter = f'"$HOME"/{shlex.quote(python[3:])}' if in_home else shlex.quote(python)
    return f"{shlex.join(words)} {interpreter} -u -c {shlex.quote(code)}"
