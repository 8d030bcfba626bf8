"""What is learned from in an image, and what its noise is like: strength, colour, and what makes it white."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.imaging.line_filter import LineFilter, filter_of
from napari_diffuscope.imaging.sampling import window_starts
from napari_diffuscope.measure.noise_model import LEAST_EDGE, NoiseModel, noise_correlation, noise_model
from napari_diffuscope.methods.bridging import Bridging
from napari_diffuscope.methods.restore.windows import Colour, Sampling, Window, one_thread, smoothed
from napari_diffuscope.weights.model import Model

MOST_PLANES, MOST_WINDOWS, EDGE = 4, 6, 256
"""Planes of a channel that are learned from, windows in all, and the edge of a window in pixels of the network."""

MOST_ALONG = 8
"""Windows along an axis that are looked at."""

LEAST_WINDOW = 2 * LEAST_EDGE
"""Least edge of a window in pixels of the image: the noise is measured in it."""

WHITE = 0.12
"""Correlation of the noise of neighbours up to which it counts as white."""

RUNS_ON = 0.2
"""Correlation along an axis from which on noise is taken to run on along it; between the two nobody can tell."""

APART, COLOURED = 6, 4
"""Pixels apart that noise that runs on no longer shares anything, as structures do; and that are taken to share."""

MOST_CLIPPED = 0.05
"""Share of the pixels of a window that may have its largest value: more are saturated, or it is a mask."""

LEAST_VARIANCE = 0.05
"""Variance of the noise of any pixel, as a share of the mean: where it is less, as where pixels are clipped."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a plane in grey values, and its intensity map."""

    pixels: np.ndarray
    line: IntensityMap


@dataclass(frozen=True)
class LineNoise:
    """Noise that runs on along lines: its colour, and what may make it white."""

    colour: Colour
    filter: LineFilter


def planes_to_learn_from(image: Image, channel: int) -> tuple[int, ...]:
    """Planes of a channel, spread evenly over all that it has: moments of a movie, depths of a stack."""
    flat = [number for number in range(image.plane_count) if image.channel_of(number) == channel]
    places = np.linspace(0, len(flat) - 1, min(len(flat), MOST_PLANES) + 2)[1:-1]
    return tuple(sorted({flat[round(float(place))] for place in places}))


def pieces_to_learn_from(
    image: Image, bridging: Bridging, planes: Sequence[int], sampling: Sampling
) -> tuple[list[Piece], bool]:
    """The windows of some planes in which most is to be seen, over all intensities, and whether others are clipped.

    Windows of one value or with much that is clipped are left out. At most one plane is in memory, and few windows.
    """
    best, clipped = list[tuple[float, int, Piece]](), False
    for number, piece in enumerate(_pieces(image, bridging, planes, sampling)):
        if (content := _content(piece)) > 0:
            if _is_clipped(piece):
                clipped = True
            else:
                best = sorted([*best, (content, -number, piece)], key=lambda each: each[:2])[-MOST_WINDOWS:]
    return [piece for _, _, piece in reversed(best)], clipped


def noise_of(pieces: Sequence[Piece], shared: float = 0.0) -> NoiseModel:
    """Noise of pieces whose neighbours share so much of it."""
    found = noise_model([piece.pixels for piece in pieces])
    missed = 1 / (1 - shared)  # in differences of neighbours what they share is missing
    return replace(
        found,
        gain=found.gain * missed,
        deviation=found.deviation * missed**0.5,
        least=found.least * missed,
    )


def correlation_of(pieces: Sequence[Piece]) -> tuple[float, float]:
    """Of the noise of neighbours along Y and X."""
    along = [noise_correlation([piece.pixels for piece in pieces], axis, 1)[0] for axis in (0, 1)]
    return along[0], along[1]


def line_noise(pieces: Sequence[Piece], correlation: tuple[float, float]) -> LineNoise | None:
    """Noise that is correlated along one axis alone, and over few pixels; ``None`` where it is not like that."""
    axis = int(np.argmax(correlation))
    if correlation[axis] < RUNS_ON or correlation[1 - axis] > WHITE:
        return None
    measured = noise_correlation([piece.pixels for piece in pieces], axis, APART)
    if abs(measured[-1]) > WHITE:
        return None
    return LineNoise(Colour(axis, measured[:COLOURED]), filter_of(measured, axis))


def colour_left(pieces: Sequence[Piece], axis: int) -> Colour | None:
    """Colour of the noise after a filter along an axis; ``None`` where it is white."""
    measured = noise_correlation([piece.pixels for piece in pieces], axis, COLOURED)
    return Colour(axis, measured) if max(map(abs, measured)) > WHITE else None


def window_of(model: Model, piece: Piece, noise: NoiseModel, sampling: Sampling) -> Window:
    """A piece in values of the network, and the variance of the noise at the light that the estimate sees."""
    values = torch.from_numpy(piece.line.forward(piece.pixels)).to(model.device)[None, None]
    with one_thread(), torch.inference_mode():
        light = smoothed(sampling.estimate(model, values))[0, 0].cpu().numpy()
    signal = piece.line.inverse(light).astype(np.float64)
    variance = (noise.variance(signal) / piece.line.scale**2).astype(np.float32)
    variance = np.maximum(variance, LEAST_VARIANCE * variance.mean())
    return Window(values, torch.from_numpy(variance).to(model.device)[None, None])


def _pieces(image: Image, bridging: Bridging, planes: Sequence[int], sampling: Sampling) -> Iterator[Piece]:
    """All windows of some planes, as the network would be shown them."""
    wanted = sampling.edges(EDGE, LEAST_WINDOW)
    edges = [min(edge, length) for edge, length in zip(wanted, image.plane_shape, strict=True)]
    for flat in planes:
        shown = bridging.shown(flat, image.read_plane(flat))
        if shown.constant:
            continue
        starts = (
            window_starts(length, edge, most=MOST_ALONG, overlapping=False)
            for length, edge in zip(image.plane_shape, edges, strict=True)
        )
        for y, x in product(*starts):
            yield Piece(shown.pixels[y : y + edges[0], x : x + edges[1]].copy(), shown.line)


def _is_clipped(piece: Piece) -> bool:
    """Whether many pixels have the largest value: of a saturated detector, or of a mask."""
    return float(np.mean(piece.pixels >= piece.pixels.max())) > MOST_CLIPPED


def _content(piece: Piece) -> float:
    """Deviation of the means of blocks of 8 x 8 pixels."""
    rows, columns = (length // 8 for length in piece.pixels.shape)
    blocks = piece.pixels[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8)
    return float(blocks.mean((1, 3), dtype=np.float64).std()) / piece.line.scale
