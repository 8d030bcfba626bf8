"""One scene of a microscope's file as an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.axes import known_axes
from napari_diffuscope.imaging.failures import name_of, reading
from napari_diffuscope.imaging.formats import Kind, kind_of_name
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.microscope.stack import SceneFile, Stack
from napari_diffuscope.imaging.scenes import SeriesInfo, chosen_scene, scene_number
from napari_diffuscope.imaging.views import AxisView

_NEEDED = {
    "Zeiss CZI": ("pylibCZIrw",),
    "Leica LIF": ("bioio", "bioio_lif"),
    "Nikon ND2": ("bioio", "bioio_nd2"),
}


def lacks_reader(path: str | Path) -> bool:
    """Whether a file is one of a microscope, by its name, and the extra that reads it is missing."""
    return _is_missing(kind_of_name(Path(path).name))


def _is_missing(kind: Kind | None) -> bool:
    return any(find_spec(module) is None for module in _NEEDED.get(kind or "", ()))


def read_microscope(
    path: Path,
    kind: Kind,
    *,
    axes: str | None = None,
    rgb: RGB = "luminance",
    series: int | str | None = None,
) -> Image:
    """Open one scene of a microscope's file; pixels are read when they are wanted.

    Parameters
    ----------
    path, kind
        The file, and what is in it.
    axes
        What the axes are, where the file is silent or wrong: one letter of ``TCZYXS`` for each axis longer than 1.
    rgb
        Colour as its ``"luminance"`` or as three ``"channels"``.
    series
        Which scene, by number or name; the largest by default.

    Returns
    -------
    Image
        Axes of length 1 are left out. Sizes are in µm and seconds, as the file names them; 1 ``"pixel"`` without.

    Raises
    ------
    DiffuscopeError
        If the extra is missing, there is no such scene, or the file is damaged.
    """
    with _opened(path, kind) as file:
        names = file.scene_names
        number, notes = _chosen(file, series, path)
        stack = file.stack(number)
    return _image_of(stack, path, names, number, (*notes, *stack.notes), axes, rgb)


def list_scenes(path: Path, kind: Kind) -> tuple[SeriesInfo, ...]:
    """The scenes of a microscope's file, reading no pixels.

    Raises
    ------
    DiffuscopeError
        As :func:`read_microscope`.
    """
    with _opened(path, kind) as file:
        return tuple(file.scenes())


@contextmanager
def _opened(path: Path, kind: Kind) -> Iterator[SceneFile]:
    if _is_missing(kind):
        raise DiffuscopeError(
            f"{name_of(path)} is a {kind} file, for which a reader is missing; "
            'run: pip install "napari-diffuscope[formats]", or convert it to OME-TIFF.'
        )
    with reading(path, kind):
        if kind == "Zeiss CZI":
            from napari_diffuscope.imaging.microscope.czi import CziFile

            yield CziFile(path)
        else:
            from napari_diffuscope.imaging.microscope.bioio import BioioFile

            yield BioioFile(path, kind)


def _chosen(file: SceneFile, wanted: int | str | None, path: Path) -> tuple[int, list[str]]:
    if wanted is not None:
        return scene_number(wanted, file.scene_names, path), []
    return (0, []) if len(file.scene_names) == 1 else chosen_scene(file.scenes(), None, path)


def _image_of(
    stack: Stack,
    path: Path,
    names: Sequence[str],
    number: int,
    notes: Sequence[str],
    axes: str | None,
    rgb: RGB,
) -> Image:
    shape = tuple(stack.pixels.shape)
    places, letters = known_axes(list(stack.names), shape)
    if axes is not None:
        places, letters = _typed(axes, places, shape)
    steps = [stack.sizes.get(letter, (1.0, "pixel")) for letter in letters]
    image = Image.wrap(
        AxisView(
            stack.pixels, places, fixed={place: 0 for place in range(len(shape)) if place not in places}
        ),
        letters,
        scale=[size for size, _ in steps],
        units=[unit for _, unit in steps],
        rgb=rgb,
        name=f"{path.stem} {names[number]}".strip() if len(names) > 1 else path.stem,
        source=str(path),
        notes=notes,
        series=number,
        scene=names[number] if len(names) > 1 else "",
    )
    return image if "S" in letters else replace(image, channels=stack.channels)


def _typed(axes: str, places: Sequence[int], shape: Sequence[int]) -> tuple[tuple[int, ...], str]:
    """Positions of the axes that somebody named: of all of them, or of those longer than 1."""
    if len(axes) == len(shape):
        return tuple(range(len(shape))), axes
    if len(axes) != len(places):
        lengths = tuple(shape[place] for place in places)
        raise DiffuscopeError(
            f"The axes {quoted(axes)} do not fit an image of shape {lengths}; give one letter per axis."
        )
    return tuple(places), axes
