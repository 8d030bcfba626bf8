"""A connected cluster as it makes the pieces of runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.cluster.leader import Leader
from napari_diffuscope.methods.cluster.sending import MethodProgram
from napari_diffuscope.methods.cluster.workers import Workers
from napari_diffuscope.methods.work import Work


class Team(Workers):
    """Workers that make what a run gives out; see `Workers`."""

    def running(self, work: Work) -> Any:
        """A context in which the pieces of a run are made here: gives its crew.

        Raises
        ------
        DiffuscopeError
            If the method has no pieces, or the workers cannot begin.
        """
        if not work.method.pieces:
            raise DiffuscopeError(
                f"{work.method.title} is not made of pieces that a cluster could share; leave the cluster out."
            )
        return self.leading(MethodProgram.of(work))

    @contextmanager
    def leading(self, program: Any) -> Iterator[Leader]:
        """A context in which workers know a program.

        Raises
        ------
        DiffuscopeError
            If they cannot begin.
        """
        run = f"diffuscope-{uuid4().hex}"
        leader = Leader(self, run)
        self.begin(run, program)
        self.client.subscribe_topic(run, leader.hear)
        try:
            yield leader
        finally:
            leader.stop()
