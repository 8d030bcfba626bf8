"""Which processes make the pieces, as it is typed: an address, or ``local``. Free of distributed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_diffuscope.errors import DiffuscopeError, quoted

SHOWN = "ADDRESS|local[:N]"
HELP = (
    "Make pieces at the same time: local for one process per graphics card or core of this machine, local:4 for four, "
    "local:4x2 with two threads each, or the address of a dask scheduler, such as tcp://node7:8786."
)
MOST = 4096

_LOCAL = re.compile(r"local(?::(\d{1,6})(?:x(\d{1,6}))?)?", re.ASCII)
_SCHEDULER = re.compile(r"(?:(?:tcp|tls|ucx|ws|wss)://)?[^\s/]+:\d{1,5}", re.ASCII)


@dataclass(frozen=True)
class Address:
    """Where the processes are.

    Parameters
    ----------
    scheduler
        Address of a scheduler; empty for processes of this machine.
    processes
        How many; ``None`` for one per graphics card, or per core.
    threads
        Of each, where there is no graphics card.
    """

    scheduler: str = ""
    processes: int | None = None
    threads: int = 1


def parse_address(text: str) -> Address:
    """What ``--cluster`` says.

    Raises
    ------
    DiffuscopeError
        If it is not understood.
    """
    if match := _LOCAL.fullmatch(text):
        processes, threads = (None if group is None else int(group) for group in match.groups())
        if not all(1 <= number <= MOST for number in (processes, threads) if number is not None):
            raise DiffuscopeError(f"{quoted(text)} makes no sense; take 1 to {MOST} processes and threads.")
        return Address("", processes, threads or 1)
    if _SCHEDULER.fullmatch(text):
        return Address(text)
    raise DiffuscopeError(
        f"{quoted(text)} is no cluster; write local, local:4 (processes), local:4x2 (threads of each) or the address "
        "of a scheduler such as tcp://node7:8786."
    )
