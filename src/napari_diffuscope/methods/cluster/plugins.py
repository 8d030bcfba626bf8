"""What every worker of a run is told, those that join later too: as plugins, which distributed runs in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def run_plugin(run: str, program: bytes) -> Any:
    """Tells every worker of the run, those that join later too, and tells them when it is over."""
    from distributed import WorkerPlugin

    class Run(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.begin(run, program, worker.state.nthreads)

        def teardown(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.end(run)

    return Run()


def options_plugin(run: str, options: Mapping[str, Any]) -> Any:
    """Tells every worker of the run what was found out for all of them."""
    from distributed import WorkerPlugin

    class Notes(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.tell(run, options)

        def teardown(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.tell(run, {})

    return Notes()
