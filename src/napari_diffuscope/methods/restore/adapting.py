"""Adapting a restoration to an image: its noise is measured, made white where it runs along lines, and learned from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.imaging.line_filter import LineFilter, filter_of
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.measure.noise_model import NoiseModel, noise_correlation, noise_model
from napari_diffuscope.methods.bridging import Bridging
from napari_diffuscope.methods.restore.adaptation import Adaptation
from napari_diffuscope.methods.restore.learning import (
    CROP,
    STEPS,
    Window,
    best_estimate,
    blind_loss,
    learned,
    one_thread,
    smoothed,
)
from napari_diffuscope.methods.states import States, states_beside
from napari_diffuscope.methods.work import Work
from napari_diffuscope.networks.local_unet import LocalUNet
from napari_diffuscope.weights.model import Model

MOST_PLANES, MOST_WINDOWS, EDGE = 4, 6, 256
"""Planes of a channel that are learned from, windows in all, and the edge of a window in pixels."""

WHITE = 0.12
"""Correlation of the noise of neighbours up to which it counts as white."""

RUNS_ON = 0.2
"""Correlation along an axis from which on noise is taken to run on along it; between the two nobody can tell."""

APART = 6
"""Pixels apart that noise that runs on no longer shares anything, as structures do."""

FAINT = 1e-4
"""Noise below this deviation, in values of the network, is none to learn from."""

LEAST_GAIN = 0.001
"""Scales are used where the loss at hidden pixels falls by so much, in variances of the noise: below, it is chance."""

KEY = "adaptation"


@dataclass(frozen=True, eq=False)
class _Piece:
    """A part of a plane in grey values, and its intensity map."""

    pixels: np.ndarray
    line: IntensityMap


def check_adaptable(model: Model, image: Image) -> None:
    """Refuse what cannot be adapted.

    Raises
    ------
    DiffuscopeError
        For a network that is not ours, or planes that are too small.
    """
    if not isinstance(model.network, LocalUNet) or model.schedule.highest().alpha > 0:
        raise DiffuscopeError(
            f"{model.card.name} cannot be adapted to an image: its network is not of the kind of "
            "restoration-fluorescence; choose that model, or leave out --adapt."
        )
    if min(image.plane_shape) < CROP:
        height, width = image.plane_shape
        raise DiffuscopeError(
            f"Adapting needs planes of at least {CROP} x {CROP} pixels, and these have {height} x {width}: too few to "
            "learn from; leave out --adapt."
        )


def adaptations(
    work: Work, model: Model, image: Image, intensities: Sequence[ChannelIntensity], planes: Sequence[int]
) -> Job[dict[int, Adaptation]]:
    """The adaptation of every channel that is worked on, noted in the record; those that a killed run had are taken.

    Parameters
    ----------
    work
        The run. Its option ``repeated`` is the record of a run whose adaptations are taken over.
    model, image, intensities
        What is adapted to what.
    planes
        Flat indices of the planes that are wanted. What is learned does not depend on them, but for their channels.

    Raises
    ------
    DiffuscopeError
        As :func:`check_adaptable`; and where other processes make the pieces.
    """
    check_adaptable(model, image)
    if work.crew is not None:
        raise DiffuscopeError(
            "Adapting to an image is done in one process, so that all of it is treated alike; leave out --adapt or "
            "--cluster."
        )
    states = states_beside(work) or States()
    work.afterwards.append(states.forget)
    before = _known(work, model, states)
    entries: list[dict[str, Any]] = work.record.setdefault(KEY, [])
    result = {}
    for channel in sorted({image.channel_of(flat) for flat in planes}):
        if channel not in before:
            before[channel] = yield from _adapted(work, model, image, intensities, channel)
            states.notes[KEY] = [each.to_dict() for each in before.values()]
            states.save()
        result[channel] = before[channel]
        entries.append(result[channel].to_dict())
        for sentence in _sentences(result[channel], image.channel_count > 1):
            yield work.warn(sentence)
    return result


def _known(work: Work, model: Model, states: States) -> dict[int, Adaptation]:
    """Adaptations of a run that was killed, or of a record that is repeated with the same weights."""
    repeated: Mapping[str, Any] = work.options.get("repeated") or {}
    same = (repeated.get("model") or {}).get("sha256") == model.sha256
    entries = states.notes.get(KEY) or (repeated.get(KEY) if same else None) or []
    return {each.channel: each for each in map(Adaptation.from_dict, entries)}


def _adapted(
    work: Work, model: Model, image: Image, intensities: Sequence[ChannelIntensity], channel: int
) -> Job[Adaptation]:
    """Learn from one channel."""
    work.done, work.total = 0, STEPS + 2
    yield work.update(message="Adapting: measuring the noise")
    chosen = _chosen(image, channel)
    pieces = _windows(_pieces(work, image, intensities, chosen))
    if not pieces:
        return Adaptation(channel, chosen, None, (0.0, 0.0))
    correlation = _correlation(pieces)
    line = _filter(pieces, correlation)
    begun = Adaptation(channel, chosen, _noise(pieces), correlation)
    if line is None and max(correlation) > WHITE:
        return begun
    if line is not None:
        pieces = [replace(piece, pixels=line.forward(piece.pixels)) for piece in pieces]
    noise = _noise(pieces)
    begun = replace(begun, noise=noise, filter=line)
    windows = [_window(model, piece, noise) for piece in pieces]
    work.done = 1
    if float(np.mean([float(window.variance.mean()) for window in windows])) < FAINT**2:
        return begun

    def told(step: int) -> Update:
        work.done = 1 + step
        return work.update(message=f"Adapting to this image: step {step} of {STEPS}")

    scales = yield from relayed(learned(model, windows), told)
    ready = replace(begun, scales=scales)
    losses = blind_loss(model, windows), blind_loss(ready.model(model), windows)
    return replace(begun, losses=losses, scales=scales if losses[1] < losses[0] - LEAST_GAIN else None)


def _chosen(image: Image, channel: int) -> tuple[int, ...]:
    """Planes of a channel, spread evenly."""
    flat = [number for number in range(image.plane_count) if image.channel_of(number) == channel]
    places = np.linspace(0, len(flat) - 1, min(len(flat), MOST_PLANES) + 2)[1:-1]
    return tuple(sorted({flat[round(float(place))] for place in places}))


def _pieces(
    work: Work, image: Image, intensities: Sequence[ChannelIntensity], planes: Sequence[int]
) -> Iterator[_Piece]:
    """All windows of some planes, as the network would be shown them."""
    height, width = image.plane_shape
    bridging = Bridging(image, intensities, work.settings.defects, ((0, height), (0, width)))
    for flat in planes:
        shown = bridging.shown(flat, image.read_plane(flat))
        if shown.constant:
            continue
        for y, x in product(_starts(height), _starts(width)):
            yield _Piece(shown.pixels[y : y + EDGE, x : x + EDGE].copy(), shown.line)


def _starts(length: int) -> list[int]:
    """Where windows along an axis begin: at most 8, spread evenly, without overlap where there is room."""
    edge = min(EDGE, length)
    count = min(length // edge, 8)
    return [round(float(place)) for place in np.linspace(0, length - edge, count)]


def _windows(pieces: Iterator[_Piece]) -> list[_Piece]:
    """Those in which most is to be seen, over all intensities."""
    ranked = sorted(
        ((_content(piece), -number, piece) for number, piece in enumerate(pieces)),
        key=lambda entry: entry[:2],
        reverse=True,
    )
    return [piece for content, _, piece in ranked[:MOST_WINDOWS] if content > 0]


def _content(piece: _Piece) -> float:
    """Deviation of the means of blocks of 8 x 8 pixels."""
    rows, columns = (length // 8 for length in piece.pixels.shape)
    blocks = piece.pixels[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8)
    return float(blocks.mean((1, 3), dtype=np.float64).std()) / piece.line.scale


def _noise(pieces: Sequence[_Piece]) -> NoiseModel:
    return noise_model([piece.pixels for piece in pieces])


def _correlation(pieces: Sequence[_Piece]) -> tuple[float, float]:
    """Of neighbours along Y and X."""
    along = [noise_correlation([piece.pixels for piece in pieces], axis, 1)[0] for axis in (0, 1)]
    return along[0], along[1]


def _filter(pieces: Sequence[_Piece], correlation: tuple[float, float]) -> LineFilter | None:
    """The filter for noise that is correlated along one axis alone, if it makes that white."""
    axis = int(np.argmax(correlation))
    if correlation[axis] < RUNS_ON or correlation[1 - axis] > WHITE:
        return None
    planes = [piece.pixels for piece in pieces]
    measured = noise_correlation(planes, axis, APART)
    if abs(measured[-1]) > WHITE:
        return None
    line = filter_of(measured, axis)
    after = noise_correlation([line.forward(plane) for plane in planes], axis, 1)[0]
    return line if abs(after) <= WHITE else None


def _window(model: Model, piece: _Piece, noise: NoiseModel) -> Window:
    """A piece in values of the network, and the variance of the noise at the light that the estimate sees."""
    values = torch.from_numpy(piece.line.forward(piece.pixels)).to(model.device)[None, None]
    with one_thread(), torch.inference_mode():
        light = smoothed(best_estimate(model, values))[0, 0].cpu().numpy()
    signal = piece.line.inverse(light).astype(np.float64)
    variance = (noise.variance(signal) / piece.line.scale**2).astype(np.float32)
    return Window(values, torch.from_numpy(variance).to(model.device)[None, None])


def _sentences(adaptation: Adaptation, named: bool) -> Iterator[str]:
    """What the user is told: the noise, and what was adapted."""
    of = f" of channel {adaptation.channel}" if named else ""
    noise, (along_y, along_x) = adaptation.noise, adaptation.correlation
    if noise is None:
        yield f"Nothing to adapt to{of}: the planes looked at hold one value each."
        return
    yield (
        f"Noise{of}: gain {noise.gain:.3g} grey values per photon (excess noise included), deviation "
        f"{noise.deviation:.3g} at the darkest signal of {noise.dark:.4g}; correlation of neighbours "
        f"{along_x:.2f} along x, {along_y:.2f} along y."
    )
    if adaptation.filter is not None:
        yield (
            f"The noise{of} runs on along {'yx'[adaptation.filter.axis]}, as a scanner's does: it was made white for "
            "the network, and that was undone in the result. The noise above is that of the white image."
        )
    elif max(along_y, along_x) > WHITE:
        yield (
            f"Not adapted{of}: the noise of neighbouring pixels is correlated in a way that cannot be told from "
            "structure (resampled, compressed or filtered images); the network is used as it is."
        )
        return
    if adaptation.losses is None:
        yield f"Not learned from{of}: there is hardly any noise; the network is used as it is."
    elif adaptation.scales is None:
        yield f"Learning{of} gained nothing at pixels that were hidden; the network's own weights are used."
    else:
        before, after = adaptation.losses
        yield f"Adapted{of}: the loss at hidden pixels fell from {before:.4f} to {after:.4f} variances of the noise."
