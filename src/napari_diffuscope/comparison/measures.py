"""The measures of a comparison: names, titles, and what a microscopist must know of each."""

from __future__ import annotations

from collections.abc import Iterable

from napari_diffuscope.comparison.table import Column
from napari_diffuscope.errors import DiffuscopeError, quoted

ERRORS = {
    "mae": ("MAE", "Mean absolute error in units of the reference; 0 is best. Empty background lowers it."),
    "rmse": ("RMSE", "Root of the mean squared error in units of the reference; 0 is best."),
    "nrmse": ("NRMSE", "RMSE over the data range; 0 is best."),
    "psnr": ("PSNR (dB)", "20 log10(data range / RMSE); higher is better, 6 dB are a factor of two in RMSE."),
    "ssim": ("SSIM", "Structural similarity in windows of 7 pixels, at most 1; high in empty background."),
    "ms_ssim": ("MS-SSIM", "Structural similarity at up to five scales, 0 to 1; 1 is best."),
    "pearson": ("Pearson", "Correlation of the pixels, -1 to 1, whatever gain and offset; 1 is best."),
    "micro_ssim": (
        "MicroSSIM",
        "SSIM after the 3rd percentile of each was subtracted and one factor fitted over the set, at most 1.",
    ),
    "micro_ms3im": ("MicroMS3IM", "The same at several scales, 0 to 1; 1 is best."),
}
CORRELATION = {
    "frc": (
        "FRC",
        "Resolution by Fourier ring (or shell) correlation of the image with the reference, threshold 1/7; of "
        "independent measurements alone. Two restorations by one model agree on what it invents.",
    ),
}
SQUIRREL = {
    "rse_nanoj": (
        "RSE (NanoJ)",
        "SQUIRREL: error after blurring down to the reference, at its scale; 0 is best. Follows the paper; not held "
        "against numbers of the plugin NanoJ.",
    ),
    "rsp_nanoj": (
        "RSP (NanoJ)",
        "SQUIRREL: Pearson correlation after that, at the scale of the reference; 1 is best. Follows the paper; not "
        "held against numbers of the plugin NanoJ.",
    ),
    "rse_nanopyx": (
        "RSE (NanoPyx)",
        "SQUIRREL: the same error at the scale of the image, as NanoPyx (held against its numbers); 0 is best.",
    ),
    "rsp_nanopyx": ("RSP (NanoPyx)", "SQUIRREL: the same correlation at the scale of the image; 1 is best."),
}
SINGLE = {
    "frc_frames": (
        "FRC, frames",
        "Resolution by Fourier ring correlation of a frame with the next one, or of two samples of a model, threshold "
        "1/7. Of frames only where nothing moves between them; of samples it says what the model is sure of.",
    ),
    "frc_split": (
        "FRC, split",
        "Resolution by Fourier ring correlation of two halves of one image, split by diagonals, threshold 1/7. "
        "Of a restored or generated image it measures the model, so it is refused unless asked for twice.",
    ),
    "decorrelation": (
        "Decorrelation",
        "Resolution of one image by decorrelation analysis, as NanoPyx; says little of images without noise.",
    ),
    "noise": (
        "Noise",
        "Standard deviation of the noise, in units of the image; too small where noise is correlated.",
    ),
    "snr": (
        "SNR",
        "Deviation of what is not noise over that of the noise; means nothing for restored images.",
    ),
}
OVERLAP = {
    "iou": ("IoU", "Pixels labelled in both over those labelled in either, 0 to 1; 1 is best."),
    "dice": ("Dice", "Twice the pixels labelled in both over the sum of both, 0 to 1; 1 is best."),
    "volume_ratio": ("Volume ratio", "Labelled pixels over those of the reference; 1 is equal."),
    "object_iou": ("Object IoU", "Mean over the reference's labels of the IoU with the best matching label."),
}

OF_IMAGES = {**ERRORS, **CORRELATION, **SQUIRREL, **SINGLE}
NAMES = tuple(OF_IMAGES)
"""All measures of images, in the order of the table."""


def column(name: str, basis: str = "", unit: str = "") -> Column:
    """The column of a measure."""
    title, words = {**OF_IMAGES, **OVERLAP}[name]
    return Column(name, f"{title} ({unit})" if unit else title, words, basis)


def checked_measures(names: Iterable[str] | None) -> tuple[str, ...]:
    """Measures by name in the order of the table; all for none.

    Raises
    ------
    DiffuscopeError
        For an unknown name.
    """
    if names is None:
        return NAMES
    wanted = [name.strip() for name in names]
    if unknown := [name for name in wanted if name not in NAMES]:
        raise DiffuscopeError(f"There is no measure {quoted(unknown[0])}; choose among {', '.join(NAMES)}.")
    if not wanted:
        raise DiffuscopeError(f"No measure was chosen; choose among {', '.join(NAMES)}.")
    return tuple(name for name in NAMES if name in wanted)
