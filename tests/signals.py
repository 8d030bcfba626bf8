"""Signals as a user's shell leaves them."""

from __future__ import annotations

import signal
import sys


def listen() -> None:
    """For ``preexec_fn``: what started the tests may have made them ignore signals, which is inherited."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


#: To be passed as ``preexec_fn``; nothing of the kind exists on Windows.
LISTEN = listen if sys.platform != "win32" else None
