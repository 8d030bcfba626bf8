"""Solvers driven by plain functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.diffusion.solvers import Query, Solver

Denoise = Callable[[Tensor, NoiseLevel], Tensor]


def asked(denoise: Denoise, solver: Solver) -> Iterator[tuple[Query, Tensor | None]]:
    """Every query of a solver, with the final state at the last one."""
    query = next(solver)
    while True:
        clean = denoise(query.x, query.level)
        try:
            following = solver.send(clean)
        except StopIteration as stop:
            yield query, stop.value
            return
        yield query, None
        query = following


def finish(denoise: Denoise, solver: Solver) -> Tensor:
    """Run a solver to its end and return the final state."""
    *_, (_, final) = asked(denoise, solver)
    assert final is not None
    return final
