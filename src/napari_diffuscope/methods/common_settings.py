"""Settings that several methods have, declared once. Free of torch.

Each function gives the field of a class of settings; what differs between methods is an argument.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.methods.checks import checked_real, is_whole, listed
from napari_diffuscope.methods.declared import Text, declared

RGB = Literal["luminance", "channels"]
Defects = Literal["keep", "bridge", "ignore"]
ErrorBars = Literal["measured", "factor"]

MOST_SAMPLES = 10_000
MOST_STEPS = 10_000
MOST_TILE = 2**16
MOST_BATCH = 2**16
MOST_SEED = 2**63 - 1
MOST_LENGTH = 1e9
"""Of steps, pixel sizes and the like, in µm; the least is one over it."""

MODE_HELP = "What kind of answer you want."


def model(default: str) -> Any:
    """Which model works."""
    return declared(default, "Model", "Name in 'diffuscope models list', or path of a model.")


def samples(default: int, drawn: str, modes: tuple[str, ...]) -> Any:
    """How many samples are drawn, of modes of several.

    Parameters
    ----------
    default
        Their number.
    drawn
        What one is: ``images``, ``shapes of each cell``.
    modes
        Modes that draw several.
    """
    sentence = f"How many plausible {drawn} to draw. More give a smoother mean; time grows with them."
    return declared(default, "Samples", sentence, low=1, high=MOST_SAMPLES, modes=modes)


def steps(modes: tuple[str, ...]) -> Any:
    """Network evaluations per sample."""
    return declared(
        None,
        "Steps",
        "Steps from noise to image, each a network evaluation. More can be a little finer; automatic suits the model.",
        low=1,
        high=MOST_STEPS,
        modes=modes,
    )


def seed(modes: tuple[str, ...]) -> Any:
    """Of the noise."""
    return declared(
        0,
        "Seed",
        "Start of the random numbers. The same seed gives the same result, another one other samples.",
        low=0,
        high=MOST_SEED,
        modes=modes,
    )


def device() -> Any:
    """Where it is computed."""
    return declared(
        "auto",
        "Device",
        "Where to compute: auto takes a graphics card if there is one; or a name from 'diffuscope devices'.",
        decides=False,
    )


def batch(things: str) -> Any:
    """How many of what are computed at the same time."""
    return declared(
        None,
        "Batch",
        f"{things} computed at the same time. More use a graphics card better, and more memory.",
        low=1,
        high=MOST_BATCH,
        decides=False,
    )


def rgb() -> Any:
    """How a colour image is taken."""
    return declared(
        "luminance", "Colours", "How a colour image is taken: its brightness, or each colour by itself."
    )


def defects(default: str, where_kept: str = "") -> Any:
    """What becomes of isolated pixels that are no image.

    Parameters
    ----------
    default
        ``keep``: bridged before the network, so that they do not spoil what is around them, and back in the result
        with their measured value. ``bridge``: the result has what their neighbours say. Both also leave out of the
        intensity range, and put back as measured, what is small and far brighter than all the rest. ``ignore``:
        nothing is looked for, and the network is shown all pixels as they are.
    where_kept
        Where measured values are kept, if they can be: ``"in the result"``.
    """
    kept = f"; what they measured is kept {where_kept}, or not" if where_kept else ""
    return declared(
        default,
        "Defects",
        "Single pixels that are no image: hot, dead, outliers. Bridged, they do not spoil what is around them"
        f"{kept}.",
        advanced=True,
        words={"keep": ("Bridge, keep values", ""), "bridge": ("Bridge", ""), "ignore": ("Ignore", "")},
    )


def skip_below(became: str) -> Any:
    """Below which intensity a part of the image is empty, and left out.

    Parameters
    ----------
    became
        What the result has there: ``"their measured values"``.
    """
    return declared(
        None,
        "Skip what is below",
        "Intensity that something must reach: parts of 256 x 256 pixels in which nothing does are taken as empty and "
        f"left out, which saves their time; they get {became}, noise included.",
        low=0.0,
        step=1.0,
        unset="nothing is skipped",
        advanced=True,
    )


def error_bars(modes: tuple[str, ...]) -> Any:
    """How deviations of samples are matched with errors; a run of an earlier version is repeated with the factor.

    Parameters
    ----------
    modes
        Modes that give a deviation.
    """
    return declared(
        "measured",
        "Error bars",
        "How the uncertainty is matched with errors on images whose truth is known: as the model's card has measured "
        "it, or by one factor for all, as earlier versions did.",
        modes=modes,
        advanced=True,
        before="factor",
        words={"measured": ("As measured", ""), "factor": ("One factor", "")},
    )


def length(label: str, help: str) -> Any:
    """A length in µm; left out, it is what the image says."""
    return declared(
        None,
        label,
        help,
        unit="µm",
        unset="from the image",
        hidden=True,
        check=lambda value: checked_positive(label, value),
    )


def checked_positive(label: str, value: Any) -> float:
    """A positive number of a size that a real image can have."""
    real = checked_real(label, value)
    if not 1 / MOST_LENGTH <= real <= MOST_LENGTH:
        raise DiffuscopeError(f"The {label.lower()} must be positive and less than 1e9, not {real:g}.")
    return real


def pixel_size() -> Any:
    """Of the image, where the file is silent or wrong."""
    return length("Pixel size", "Pixel size of the image in µm, where the file is silent or wrong.")


def enough_samples(mode: str, samples: int, averaging: tuple[str, ...]) -> None:
    """Refuse a single sample where a mode needs two to tell how they vary."""
    if mode in averaging and samples < 2:
        raise DiffuscopeError(f"Mode {mode!r} needs at least 2 samples, not {samples}.")


# Planes, crops and blocks: what they may be, and how they are typed


def planes() -> Any:
    """Flat indices into the leading axes; ``None`` for all."""
    return declared(
        None,
        "Planes",
        'Which planes: "3", "0,4", "2:7" (2 to 6).',
        hidden=True,
        check=_checked_planes,
        text=Text("LIST", parse_planes, lambda value: ",".join(map(str, value))),
    )


def crop() -> Any:
    """``(y0, y1, x0, x1)`` in pixels; ``None`` for the whole plane."""
    return declared(
        None,
        "Crop",
        "Part of each plane, in pixels.",
        hidden=True,
        check=_checked_crop,
        text=Text("Y0:Y1,X0:X1", parse_crop, lambda value: "{}:{},{}:{}".format(*value)),
    )


def block() -> Any:
    """Least lengths ``(z, y, x)`` of pieces; ``None`` to decide."""
    return declared(
        None,
        "Block",
        "Least lengths of the pieces that are worked on one after the other, in voxels.",
        hidden=True,
        decides=False,
        check=_checked_block,
        text=Text("Z,Y,X", parse_block, lambda value: ",".join(map(str, value))),
    )


_RANGE = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*", re.ASCII)
_NUMBER = re.compile(r"\s*\d+\s*", re.ASCII)


def parse_planes(text: str) -> tuple[int, ...]:
    """Flat plane indices of ``"3"``, ``"0,4"``, ``"2:7"`` (2 to 6) or a mixture, each once, as ordered.

    Raises
    ------
    DiffuscopeError
        If the text is something else.
    """
    numbers: dict[int, None] = {}
    for part in text.split(","):
        if _NUMBER.fullmatch(part):
            numbers[int(part)] = None
            continue
        start, stop = _range(part, text, 'such as "3", "0,4" or "2:7"')
        numbers.update(dict.fromkeys(range(start, stop)))
    return tuple(numbers)


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """``(y0, y1, x0, x1)`` of ``"Y0:Y1,X0:X1"`` in pixels; the ends are not included.

    Raises
    ------
    DiffuscopeError
        If the text is something else.
    """
    parts = text.split(",")
    wanted = '"Y0:Y1,X0:X1" in pixels'
    if len(parts) != 2:
        raise DiffuscopeError(f"{quoted(text)} is not understood; write {wanted}.")
    (y0, y1), (x0, x1) = (_range(part, text, wanted) for part in parts)
    return y0, y1, x0, x1


def parse_block(text: str) -> tuple[int, ...]:
    """Lengths of ``"Z,Y,X"`` in voxels.

    Raises
    ------
    DiffuscopeError
        If the text is something else.
    """
    parts = text.split(",")
    if len(parts) != 3 or not all(_NUMBER.fullmatch(part) and int(part) for part in parts):
        raise DiffuscopeError(f"{quoted(text)} is not understood; write Z,Y,X in voxels, such as 64,256,256.")
    return tuple(map(int, parts))


def _range(part: str, text: str, wanted: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise DiffuscopeError(f"{quoted(text)} is not understood; write {wanted}.")
    start, stop = int(match[1]), int(match[2])
    if stop <= start:
        raise DiffuscopeError(
            f"the range {quoted(part.strip())} is empty: its end must be larger than its start."
        )
    return start, stop


def _checked_planes(value: Any) -> tuple[int, ...]:
    several = [value] if is_whole(value) else listed(value)
    if several is None or not all(is_whole(plane) for plane in several):
        raise DiffuscopeError(
            f"The planes must be whole numbers, such as 3 or (0, 4), not {quoted(value)}; None takes all."
        )
    return tuple(int(plane) for plane in several)


def _checked_crop(value: Any) -> tuple[int, ...]:
    edges = listed(value)
    if edges is None or len(edges) != 4 or not all(is_whole(edge) for edge in edges):
        raise DiffuscopeError(
            f"The crop needs four whole numbers (y0, y1, x0, x1), not {quoted(value)}; None takes the whole plane."
        )
    return tuple(int(edge) for edge in edges)


def _checked_block(value: Any) -> tuple[int, ...]:
    lengths = listed(value)
    if lengths is None or len(lengths) != 3 or not all(is_whole(one) and one >= 1 for one in lengths):
        raise DiffuscopeError(
            f"The block needs three lengths (z, y, x) of at least 1, whole numbers, not {quoted(value)}."
        )
    return tuple(int(one) for one in lengths)
