"""``napari_diffuscope.compare``: the numbers of a comparison as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from napari_diffuscope.comparison.job import comparison_job
from napari_diffuscope.comparison.measures import NAMES
from napari_diffuscope.comparison.opening import Region, open_scene
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.table import Table
from napari_diffuscope.imaging.scenes import one_of
from napari_diffuscope.jobs import Update, run


def compare(
    reference: Any,
    *others: Any,
    names: Sequence[str] | None = None,
    axes: str | None = None,
    series: int | None = None,
    scene: int | str | None = None,
    labels: bool = False,
    mask: Any = None,
    plane: int | Sequence[int] | None = None,
    crop: Region | None = None,
    measures: Sequence[str] = NAMES,
    affine: bool = False,
    data_range: float | None = None,
    frc_of_results: bool = False,
    on_update: Callable[[Update], None] | None = None,
) -> Table:
    """Numbers of images against a reference, and of each by itself.

    Parameters
    ----------
    reference, others
        Paths of files, arrays (numpy, dask, zarr) or images, on any grids of which the pixel sizes are known. RGB is
        taken by its luminance.
    names
        What to call them, the reference first.
    axes
        Axes of all of them, where they are silent or wrong.
    series, scene
        Which image of those files that hold several: its number, or its name; give one of them. The largest by
        default.
    labels
        Whether they are labels: then IoU, Dice and volume ratio.
    mask
        Labels or a picture of 0 and others: only where it is not 0 pixels count.
    plane
        Compare one plane of the reference: its number, or its index along each leading axis; all by default.
    crop
        ``(y0, y1, x0, x1)``, a part of each plane in pixels of the reference.
    measures
        Which, by name; all by default.
    affine
        Whether each image is first fitted to the reference by a line, for the errors from MAE to MS-SSIM.
    data_range
        The range of intensities that errors are set against; that of the reference by default.
    frc_of_results
        Whether Fourier ring correlation is also computed of results of a model, where it measures the model.
    on_update
        Called with every update; an exception that it raises stops the comparison.

    Returns
    -------
    Table
        ``table["name"]["psnr"]``; prints as Markdown; ``to_csv()``, ``to_markdown()``, ``to_dict()``.

    Raises
    ------
    DiffuscopeError
        If images cannot be read, do not overlap or do not go together. A number that cannot be computed is none: its
        cell says why.
    """
    how: dict[str, Any] = {"names": names, "axes": axes, "labels": labels, "mask": mask}
    compared = open_scene(reference, others, series=one_of(series, scene), plane=plane, crop=crop, **how)
    settings = CompareSettings(tuple(measures), affine, data_range, labels, frc_of_results)
    return run(comparison_job(compared, settings), on_update)
