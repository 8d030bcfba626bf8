"""Whether something makes the restoration of an image better, told from the noisy image alone.

Two losses tell it, each with faults of its own. At pixels that are hidden from the network (blind spots, as of Batson
and Royer, ICML 2019, and of Noise2VST, Herbreteau et al., ICCV 2025) the strength of the noise need not be known, but
the network is judged without the pixel itself. With noise of the measured strength and colour added, once to what
the network sees and once, with the other sign, to what it is compared with (Pang et al., CVPR 2021), it is judged as it
works, but a little wrong measurement counts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_diffuscope.imaging.line_filter import LineFilter
from napari_diffuscope.methods.restore.windows import Colour, Sampling, Window, drawn, one_thread
from napari_diffuscope.weights.model import Model

GAP = 4
"""Distance between blind spots, in pixels."""

LINES, REACH, SPAN = 5, 4, 16
"""Where noise runs on along lines: distance between lines with hidden pixels, how far before and behind a pixel its
line is hidden with it, and distance between such pixels along a line."""

TURNS, LINE_TURNS = 2, 5
"""How often other pixels are hidden: single ones, and parts of lines."""

DRAWS = 2
"""How often noise is added."""

ADDED = 0.5
"""How much noise is added, in deviations of the noise."""

Restored = Callable[[Tensor], Tensor]
"""From windows to their estimates."""


def blind_loss(model: Model, windows: Sequence[Window], colour: Colour | None, sampling: Sampling) -> float:
    """Mean squared difference at pixels that the network does not see, in variances of the noise."""
    losses = [
        _blind(lambda values: sampling.estimate(model, values), window, colour, number)
        for number, window in enumerate(windows)
    ]
    total, count = np.sum(losses, axis=0)
    return float(total / count)


def filter_gain(
    model: Model, windows: Sequence[Window], line: LineFilter, colour: Colour, sampling: Sampling
) -> Generator[int, None, tuple[float, float]]:
    """By how much making noise white for the network and back lowers the loss at hidden pixels, and on added noise.

    Parameters
    ----------
    model
        As it is.
    windows
        Parts of the image as it is.
    line, colour
        The filter, and the noise that it was made for.
    sampling
        How the network sees the image.

    Yields
    ------
    int
        Windows that are done.

    Returns
    -------
    tuple of float
        In variances of the noise.
    """
    ways: tuple[Restored, Restored] = (
        lambda values: sampling.estimate(model, values),
        lambda values: _filtered(sampling.estimate(model, _filtered(values, line.forward)), line.back),
    )
    hidden, added = np.zeros((2, 2)), np.zeros((2, 2))  # for each way the sum, and what it is of
    for number, window in enumerate(windows):
        for way, restored in enumerate(ways):
            hidden[way] += _blind(restored, window, colour, number)
            added[way] += _added(restored, window, colour, number)
        yield number + 1
    (before, after), (noisier_before, noisier_after) = hidden[:, 0] / hidden[:, 1], added[:, 0] / added[:, 1]
    return float(before - after), float(noisier_before - noisier_after)


def _filtered(values: Tensor, apply: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    return torch.from_numpy(apply(values[0, 0].cpu().numpy())).to(values.device)[None, None]


def _added(restored: Restored, window: Window, colour: Colour, number: int) -> tuple[float, float]:
    random, total = torch.Generator().manual_seed(number), 0.0
    with one_thread(), torch.inference_mode():
        for _ in range(DRAWS):
            noise = drawn(window.variance, colour, random)
            error = restored(window.values + ADDED * noise) - (window.values - noise / ADDED)
            total += float(error.square().double().sum())
        return total, DRAWS * float(window.variance.double().sum())


def _blind(restored: Restored, window: Window, colour: Colour | None, number: int) -> tuple[float, float]:
    """Sum over hidden pixels, and their number."""
    total = count = 0.0
    turns = TURNS if colour is None else LINE_TURNS
    with one_thread(), torch.inference_mode():
        around = _from_neighbours(window.values, colour)
        for turn in range(turns):
            hidden, judged = _spots(window.values, 5 * number + 7 * turn, colour)
            error = (restored(torch.where(hidden, around, window.values)) - window.values)[judged]
            total += float((error.square() / window.variance[judged]).double().sum())
            count += error.numel()
    return total, count


def _spots(values: Tensor, place: int, colour: Colour | None) -> tuple[Tensor, Tensor]:
    """Pixels that are hidden, and those of them of whose noise nothing is seen."""
    judged = torch.zeros_like(values, dtype=torch.bool)
    down, right = (GAP, GAP) if colour is None else ((SPAN, LINES), (LINES, SPAN))[colour.axis]
    judged[..., place % down :: down, place // down % right :: right] = True
    if colour is None:
        return judged, judged
    reach = ((REACH, 0), (0, REACH))[colour.axis]
    edges = tuple(2 * length + 1 for length in reach)
    return functional.max_pool2d(judged.to(values), edges, 1, reach) > 0, judged


def _from_neighbours(values: Tensor, colour: Colour | None) -> Tensor:
    """Mean of the neighbours with noise of their own: all four, or those in other lines."""
    wide = functional.pad(values, (1, 1, 1, 1), mode="reflect")
    rows = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1]
    columns = wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    if colour is None:
        return (columns + rows) / 4
    return (columns if colour.axis == 0 else rows) / 2
