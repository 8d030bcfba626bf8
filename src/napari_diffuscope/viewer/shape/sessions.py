"""The sessions of a dock: the predicted shapes of each plane, by who outlined its cells."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from napari_diffuscope.viewer.layers import same_selection
from napari_diffuscope.viewer.shape.run import ShapePlan
from napari_diffuscope.viewer.shape.scene import Kind
from napari_diffuscope.viewer.shape.session import ShapeSession

Key = tuple[Any, ...]


class ShapeSessions(Mapping[Key, ShapeSession]):
    """All sessions, by plane and layer of outlines.

    Parameters
    ----------
    viewer
        The viewer.
    mark
        Put into the metadata of the layers of each session.
    """

    def __init__(self, viewer: Any, mark: Mapping[str, Any]) -> None:
        self._viewer, self._mark = viewer, mark
        self._sessions: dict[Key, ShapeSession] = {}

    def __getitem__(self, key: Key) -> ShapeSession:
        return self._sessions[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def shown(self) -> bool:
        """Whether any has layers."""
        return any(session.layers for session in self.values())

    def of(self, plan: ShapePlan, kind: Kind) -> ShapeSession:
        """That of the plane and the outlines of a plan; a new one shows its shapes in the way that is said."""
        key = (*plan.plane.key, id(getattr(plan.outlines, "__wrapped__", plan.outlines)))
        if key not in self._sessions:
            self._sessions[key] = ShapeSession(self._viewer, plan.plane, kind, self._mark, plan.outlines)
        session = self._sessions[key]
        session.plane = plan.plane
        return session

    def forget_empty(self) -> None:
        """Forget those in which nothing was predicted or refused."""
        for key, session in list(self._sessions.items()):
            if not session.cells and not session.complaints:
                del self._sessions[key]

    def take_lost(self, layer: Any) -> list[ShapeSession]:
        """Forget those that end with a layer that was removed, and give them."""
        lost = {key: session for key, session in self._sessions.items() if session.lost(layer)}
        for key in lost:
            del self._sessions[key]
        return list(lost.values())

    def prepare(self, kind: Kind) -> Generator[None, None, None]:
        """Compute what is needed to show all in another way; for the background."""
        for session in list(self._sessions.values()):
            session.kind = kind
            if kind == "surface" and session.scene is not None:
                yield from session.scene.compute_surfaces()
        yield

    def show_as(self, kind: Kind) -> None:
        """Show all in another way."""
        with same_selection(self._viewer):
            for session in self._sessions.values():
                session.show_as(kind)
