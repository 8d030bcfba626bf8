"""The workers of a connected cluster: how many there are, and what they are told of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.cluster.plugins import options_plugin, run_plugin

LOOK_EVERY = 0.25
"""Seconds between two looks whether a scheduler that was asked something is still there."""


@dataclass
class Workers:
    """Those of a connected cluster, reached through its scheduler.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    name
        What to call it: as it was typed.
    """

    client: Any
    name: str

    @property
    def dashboard(self) -> str:
        """Address of the page that shows what the workers do; empty where there is none."""
        with suppress(Exception):
            return str(self.client.dashboard_link or "")
        return ""

    def count(self) -> int:
        """How many workers there are.

        Raises
        ------
        DiffuscopeError
            If the scheduler is gone.
        """
        try:
            return len(self.answer(self.client.scheduler.identity(n_workers=-1))["workers"])
        except OSError as error:
            raise self.lost() from error

    def answer(self, asked: Awaitable[Any]) -> Any:
        """What the scheduler answers: distributed waits half a minute for one that is gone, which this does not.

        Raises
        ------
        DiffuscopeError
            If it is gone.
        """

        async def answered() -> Any:
            return await asked

        answer = asyncio.run_coroutine_threadsafe(answered(), self.client.loop.asyncio_loop)
        while True:
            finished, _ = wait([answer], LOOK_EVERY)
            if finished:
                return answer.result()
            if self.client.status != "running":
                answer.cancel()
                raise self.lost()

    def begin(self, run: str, program: Any) -> None:
        """Give the program of a run to all workers, those that join later too.

        Raises
        ------
        DiffuscopeError
            If it cannot be sent, the workers lack this version of the package, or the scheduler is gone.
        """
        from distributed.protocol import pickle

        try:
            sent: bytes = pickle.dumps(program)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise DiffuscopeError(
                f"The input cannot be sent to workers ({error}); write it to a file that all of them see."
            ) from error
        self._plug(run_plugin(run, sent), run)

    def tell(self, run: str, options: Mapping[str, Any]) -> None:
        """Give options to all workers of a run, those that join later too.

        Raises
        ------
        DiffuscopeError
            If the scheduler is gone.
        """
        self._plug(options_plugin(run, options), _told_name(run))

    def forget(self, run: str, *, told: bool) -> None:
        """Let the workers forget a run, and the options that they were told, if any."""
        for name in (run, _told_name(run)) if told else (run,):
            with suppress(Exception):
                self.client.unregister_worker_plugin(name)

    def lost(self) -> DiffuscopeError:
        """What to say when the scheduler is gone."""
        return DiffuscopeError(
            f"The scheduler of {self.name} is gone; what is finished is kept, and the same command goes on from there "
            "once a scheduler runs."
        )

    def _plug(self, plugin: Any, name: str) -> None:
        try:
            self.client.register_plugin(plugin, name=name)
        except ImportError as error:
            raise DiffuscopeError(
                f"The workers of {self.name} have no napari-diffuscope of this version ({error}); install it there."
            ) from error
        except Exception as error:
            raise self.lost() from error


def _told_name(run: str) -> str:
    """Under which name workers are told more of a run."""
    return f"{run}-told"
