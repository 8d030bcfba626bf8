"""Adapting a restoration to an image: its noise is measured, made white where that helps, and learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.jobs import Job, relayed
from napari_diffuscope.methods.bridging import Bridging
from napari_diffuscope.methods.restore.adaptation import Adaptation
from napari_diffuscope.methods.restore.grid import Grid
from napari_diffuscope.methods.restore.judging import blind_loss, filter_gain
from napari_diffuscope.methods.restore.learning import STEPS, learned
from napari_diffuscope.methods.restore.noise_of_image import (
    LEAST_WINDOW,
    WHITE,
    LineNoise,
    Piece,
    colour_left,
    correlation_of,
    line_noise,
    noise_of,
    pieces_to_learn_from,
    planes_to_learn_from,
    window_of,
)
from napari_diffuscope.methods.restore.settings import ADAPTATION
from napari_diffuscope.methods.restore.windows import Colour, Sampling, Window
from napari_diffuscope.methods.states import States, states_beside
from napari_diffuscope.methods.work import ONE_OF_MANY, Work
from napari_diffuscope.networks.local_unet import LocalUNet
from napari_diffuscope.weights.model import Model

FAINT = 1e-4
"""Noise below this deviation, in values of the network, is none to learn from."""

LEAST_GAIN = 0.001
"""What is adapted is used where the loss falls by so much, in variances of the noise: below, it is chance."""

TOLD = "adapted"
"""Option of a run whose adaptations another process has made."""

CLIPPED = "too much of it has one largest value, as where a detector is saturated and in masks"
EVEN = "the planes looked at hold one value each"
FAINT_NOISE = "there is hardly any noise"
SHARED = (
    "the noise of neighbouring pixels is correlated in a way that cannot be told from structure (resampled, compressed "
    "or filtered images, whole lines that are brighter or darker)"
)


@dataclass(frozen=True)
class _Case:
    """What is adapted to what: the pieces of a channel, as the network sees them."""

    work: Work
    model: Model
    sampling: Sampling
    pieces: Sequence[Piece]

    def windows(self, noise: Any) -> list[Window]:
        return [window_of(self.model, piece, noise, self.sampling) for piece in self.pieces]


def check_adaptable(model: Model) -> None:
    """Refuse what cannot be adapted.

    Raises
    ------
    DiffuscopeError
        For a network that is not ours.
    """
    if not isinstance(model.network, LocalUNet) or model.schedule.highest().alpha > 0:
        raise DiffuscopeError(
            f"{model.card.name} cannot be adapted to an image: its network is not of the kind of "
            "restoration-fluorescence; choose that model, or leave out --adapt."
        )


def too_small(image: Image, sampling: Sampling) -> str | None:
    """Why planes are too few pixels to learn from, as a sentence without its end."""
    least = [max(edge, LEAST_WINDOW) for edge in sampling.crop]
    if all(length >= edge for length, edge in zip(image.plane_shape, least, strict=True)):
        return None
    (height, width), after = image.plane_shape, "" if sampling == Sampling() else " of their size"
    return (
        f"Adapting needs planes of at least {least[0]} x {least[1]} pixels{after}, and these have {height} x {width}: "
        "too few to learn from"
    )


def adaptations(
    work: Work,
    model: Model,
    image: Image,
    intensities: Sequence[ChannelIntensity],
    planes: Sequence[int],
    grid: Grid | None = None,
) -> Job[dict[int, Adaptation]]:
    """The adaptation of every channel that is worked on, noted in the record; those that are known are taken.

    It is known to a run that was stopped, to one that is repeated, and to the workers of a cluster, who are told.

    Parameters
    ----------
    work
        The run. Its option ``repeated`` is the record of a run whose adaptations are taken over, ``adapted`` are those
        that the process of the run has made.
    model, image, intensities
        What is adapted to what.
    planes
        Flat indices of the planes that are wanted. What is learned does not depend on them, but for their channels.
    grid
        The pixels of the network, where they are others than those of the image.

    Raises
    ------
    DiffuscopeError
        As :func:`check_adaptable`; and for planes that are too small, unless the image is one of many.
    """
    channels = sorted({image.channel_of(flat) for flat in planes})
    if (told := work.options.get(TOLD)) is not None:
        entries = map(Adaptation.from_dict, told)
        return {each.channel: each for each in entries if each.channel in channels}
    sampling = Sampling() if grid is None else Sampling.between(grid.shape, grid.there)
    check_adaptable(model)
    if (small := too_small(image, sampling)) is not None:
        work.record[ADAPTATION] = []
        if not _may_be_left(work):
            raise DiffuscopeError(f"{small}; leave out --adapt.")
        yield work.warn(f"Not adapted: {small[0].lower()}{small[1:]}; the network is used as it is.")
        return {}
    states = states_beside(work) or States()
    work.afterwards.append(states.forget)
    known = yield from _known(work, model, states)
    for channel in channels:
        if channel not in known:
            known[channel] = yield from _adapted(work, model, image, intensities, channel, sampling)
            states.notes[ADAPTATION] = [each.to_dict() for each in known.values()]
            states.save()
        for sentence in sentences(known[channel], image.channel_count > 1):
            yield work.warn(sentence)
    result = {channel: known[channel] for channel in channels}
    work.record[ADAPTATION] = [each.to_dict() for each in result.values()]
    if work.crew is not None:
        work.crew.tell({TOLD: work.record[ADAPTATION]})
    return result


def _may_be_left(work: Work) -> bool:
    """Whether an image that is too small is restored all the same: one of many, or one that was so before."""
    repeated: Mapping[str, Any] = work.options.get("repeated") or {}
    return bool(work.options.get(ONE_OF_MANY)) or repeated.get(ADAPTATION) == []


def _known(work: Work, model: Model, states: States) -> Job[dict[int, Adaptation]]:
    """Adaptations of a run that was stopped, or of a record that is repeated with the same weights and image."""
    repeated: Mapping[str, Any] = work.options.get("repeated") or {}
    entries: Iterable[Mapping[str, Any]] = states.notes.get(ADAPTATION) or ()
    if not entries and repeated.get(ADAPTATION):
        same = (repeated.get("model") or {}).get("sha256") == model.sha256
        same = same and repeated.get("intensity") == work.record["intensity"]
        if same and _content(repeated) in (_content(work.record), {}):
            entries = repeated[ADAPTATION]
        else:
            yield work.warn(
                "The record is of another image, or of other weights: what was learned there is not taken over."
            )
    return {each.channel: each for each in map(Adaptation.from_dict, entries)}


def _content(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record knows the content of the file by; empty of an image that is in no file."""
    file = (record.get("input") or {}).get("file") or {}
    return {name: file[name] for name in ("bytes", "sample") if name in file}


def _adapted(
    work: Work,
    model: Model,
    image: Image,
    intensities: Sequence[ChannelIntensity],
    channel: int,
    sampling: Sampling,
) -> Job[Adaptation]:
    """Learn from one channel."""
    # Steps are no pieces of the work that is counted: they would spoil the forecast of its end.
    yield work.update(message="Adapting: measuring the noise")
    planes = planes_to_learn_from(image, channel)
    height, width = image.plane_shape
    bridging = Bridging(image, intensities, work.settings.defects, ((0, height), (0, width)))
    pieces, clipped = pieces_to_learn_from(image, bridging, planes, sampling)
    if not pieces:
        return Adaptation(channel, planes, None, (0.0, 0.0), refused=CLIPPED if clipped else EVEN)
    correlation = correlation_of(pieces)
    lines = line_noise(pieces, correlation)
    begun = Adaptation(channel, planes, noise_of(pieces), correlation)
    if lines is None and max(correlation) > WHITE:
        return replace(begun, refused=SHARED)
    case = _Case(work, model, sampling, pieces)
    if lines is None:
        return (yield from _with_scales(case, begun, None))
    begun = replace(begun, noise=noise_of(pieces, lines.colour.correlation[0]))
    return (yield from _with_filter(case, begun, lines))


def _with_filter(case: _Case, begun: Adaptation, lines: LineNoise) -> Job[Adaptation]:
    """Try the filter, and go on with the image as it is or as the filter makes it."""
    windows = case.windows(begun.noise)
    if _is_faint(windows):
        return replace(begun, refused=FAINT_NOISE)
    work, count = case.work, len(windows)
    gains = yield from relayed(
        filter_gain(case.model, windows, lines.filter, lines.colour, case.sampling),
        lambda done: work.update(message=f"Adapting: trying a filter along lines, part {done} of {count}"),
    )
    begun = replace(begun, filter_gains=gains)
    if sum(gains) <= LEAST_GAIN:
        return (yield from _with_scales(case, begun, lines.colour))
    white = [replace(piece, pixels=lines.filter.forward(piece.pixels)) for piece in case.pieces]
    left = colour_left(white, lines.colour.axis)
    noise = noise_of(white, 0.0 if left is None else left.correlation[0])
    case = replace(case, pieces=white)
    return (yield from _with_scales(case, replace(begun, noise=noise, filter=lines.filter), left))


def _with_scales(case: _Case, begun: Adaptation, colour: Colour | None) -> Job[Adaptation]:
    """Learn scales, and keep them where they gain something."""
    windows, model, work = case.windows(begun.noise), case.model, case.work
    if _is_faint(windows):
        return replace(begun, refused=FAINT_NOISE)
    scales = yield from relayed(
        learned(model, windows, colour, case.sampling),
        lambda step: work.update(message=f"Adapting to this image: step {step} of {STEPS}"),
    )
    ready = replace(begun, scales=scales).model(model)
    losses = tuple(blind_loss(each, windows, colour, case.sampling) for each in (model, ready))
    better = losses[1] < losses[0] - LEAST_GAIN
    return replace(begun, losses=(losses[0], losses[1]), scales=scales if better else None)


def _is_faint(windows: Sequence[Window]) -> bool:
    return float(np.mean([float(window.variance.mean()) for window in windows])) < FAINT**2


def sentences(adaptation: Adaptation, named: bool) -> Iterator[str]:
    """What the user is told: the noise, and what was adapted."""
    of = f" of channel {adaptation.channel}" if named else ""
    noise, (along_y, along_x) = adaptation.noise, adaptation.correlation
    if noise is not None:
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
    elif adaptation.filter_gains is not None:
        yield (
            f"The noise{of} runs on along {'yx'[along_x > along_y]}, as a scanner's does; making it white for the "
            "network gained nothing on this image, and was left out."
        )
    if adaptation.refused:
        yield f"Not adapted{of}: {adaptation.refused}; the network is used as it is."
    elif adaptation.losses is not None and adaptation.scales is None:
        yield f"Learning{of} gained nothing at pixels that were hidden; the network's own weights are used."
    elif adaptation.losses is not None:
        before, after = adaptation.losses
        yield (
            f"Adapted{of}: pixels that were hidden from the network are now guessed better from those around (squared "
            f"error {after:.4f} instead of {before:.4f}, in variances of the noise)."
        )
