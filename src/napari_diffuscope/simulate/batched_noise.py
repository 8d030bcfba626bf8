"""Noise of :mod:`napari_diffuscope.simulate.degrade` in torch, for many images at once and on any device.

The same models, drawn by :func:`~napari_diffuscope.simulate.degrade.draw_noise`, and the same distributions; the
random numbers are others. What every image goes through is computed for all of them together; what few go through,
image by image. Each image has its own generator, so that its noise does not depend on the images beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from napari_diffuscope.simulate.camera import Camera
from napari_diffuscope.simulate.degrade import NoiseModel
from napari_diffuscope.simulate.linear_maps import (
    enlarged,
    laser,
    reduced,
    resampled,
    rolled,
    sharpened,
    smeared,
    smoothed,
)
from napari_diffuscope.simulate.lossy import compressed, stretched
from napari_diffuscope.simulate.processing import Resample, Smooth


def noisy_batch(
    clean01: Tensor, models: Sequence[NoiseModel], seeds: Sequence[int], *, target01: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Noisy images and their noise-free expectations, as :func:`~napari_diffuscope.simulate.degrade.noisy`.

    Parameters
    ----------
    clean01
        ``(B, Y, X)`` float32, clean images in relative units, 0 to about 1.
    models, seeds
        Noise model and seed of each image.
    target01
        Images whose expectations are returned, where they are not those that are exposed: sharper ones.

    Returns
    -------
    noisy, clean
        ``(B, Y, X)`` float32, both in counts (grey values where a model stretches to 8 bits).
    """
    shape = cast("tuple[int, int]", tuple(clean01.shape[1:]))
    generators = [torch.Generator(clean01.device).manual_seed(seed) for seed in seeds]
    photons = _photons(clean01, models)
    cameras = [model.camera for model in models]
    offset, slope = (_column(clean01, values) for values in _lines(cameras))
    clean = offset + slope * (photons if target01 is None else _photons(target01, models))
    taken = _taken(photons, models, generators)
    for index, model in enumerate(models):  # few have any of these
        if model.scan is not None:
            clean[index] = smeared(rolled(clean[index]), model.scan, shape[1])
        if model.enlarge is not None:
            small = model.enlarge.small_shape(shape)
            for images in (taken, clean):
                corner = images[index, : small[0], : small[1]].clone()
                images[index] = enlarged(corner, model.enlarge, shape)
        for step in model.steps:
            for images in (taken, clean):
                images[index] = _treated(images[index], step)
    return _finished(taken, clean, models)


def _photons(clean01: Tensor, models: Sequence[NoiseModel]) -> Tensor:
    """Photons per pixel; the smaller picture of a digital zoom lies in the corner."""
    small = clean01.clone()
    for index, model in enumerate(models):
        if model.enlarge is not None:
            picture = reduced(clean01[index], model.enlarge)
            small[index] = 0
            small[index, : picture.shape[0], : picture.shape[1]] = picture
    light = [model.exposure for model in models]
    peak = _column(clean01, [exposure.peak_photons for exposure in light])
    return small.clamp_(min=0) * peak + _column(clean01, [exposure.background_photons for exposure in light])


def _lines(cameras: Sequence[Camera]) -> tuple[list[float], list[float]]:
    """Offset and counts per photon."""
    return [camera.offset for camera in cameras], [camera.counts_per_photon for camera in cameras]


def _taken(photons: Tensor, models: Sequence[NoiseModel], generators: Sequence[torch.Generator]) -> Tensor:
    """The pictures as they leave the cameras, of all frames and on both sides of a seam."""
    taken = torch.empty_like(photons)
    for index, (model, generator) in enumerate(zip(models, generators, strict=True)):
        maps = _sensor(photons[index], model.camera, generator)
        frames = model.frames + (model.seam is not None)
        pictures = [_picture(photons[index], model, maps, generator) for _ in range(frames)]
        picture = pictures[0]
        for other in pictures[1 : model.frames]:
            picture = picture + other
        taken[index] = picture / model.frames
        if model.seam is not None:
            taken[index] = _stitched(taken[index], pictures[-1], *model.seam)
    return taken


Maps = tuple[Tensor, Tensor, Tensor, Tensor]


def _sensor(like: Tensor, camera: Camera, generator: torch.Generator) -> Maps | None:
    """Relative gain, offset, read noise and dark electrons of each pixel, where pixels differ."""
    if not (camera.gain_spread or camera.offset_spread or camera.read_noise_spread or camera.hot_pixels):
        return None

    def normal() -> Tensor:
        return torch.randn(like.shape, generator=generator, device=like.device)

    read = camera.read_noise * torch.exp(camera.read_noise_spread * normal())
    hot = torch.rand(like.shape, generator=generator, device=like.device) < camera.hot_pixels
    dark = torch.empty_like(like).exponential_(1 / camera.hot_electrons, generator=generator)
    gain = (1 + camera.gain_spread * normal()).clamp(min=0.2)
    return gain, camera.offset_spread * normal(), read, torch.where(hot, dark, 0.0)


def _picture(photons: Tensor, model: NoiseModel, maps: Maps | None, generator: torch.Generator) -> Tensor:
    """One picture, of a camera or of a point scanner."""
    camera, scan = model.camera, model.scan
    if scan is None:
        return _exposed(photons, camera, maps, generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=photons.device)

    light = rolled(photons) * laser(normal(len(photons)), scan).clamp(min=0)[:, None]
    analogue = _exposed(light, replace(camera, read_noise=0.0, bits=0), None, generator)
    counts = smeared(analogue, scan, photons.shape[1])
    return _converted(counts + camera.gain * camera.read_noise * normal(*photons.shape), camera)


def _exposed(photons: Tensor, camera: Camera, maps: Maps | None, generator: torch.Generator) -> Tensor:
    """One picture, as :func:`~napari_diffuscope.simulate.camera.expose`."""
    gain, offset, read, dark = maps or (1.0, 0.0, camera.read_noise, 0.0)
    signal = torch.poisson(camera.quantum_efficiency * photons + dark, generator=generator)
    if camera.multiplication > 1:
        multiplied = torch._standard_gamma(signal.clamp(min=0.5), generator=generator)
        signal = torch.where(signal > 0, camera.multiplication * multiplied, 0.0)
    noise = torch.randn(photons.shape, generator=generator, device=photons.device)
    counts = camera.offset + offset + camera.gain * gain * (signal + read * noise)
    return _converted(counts, camera)


def _converted(counts: Tensor, camera: Camera) -> Tensor:
    """What the converter makes of analogue counts."""
    return counts.round_().clamp_(0, camera.ceiling) if camera.bits else counts


def _stitched(first: Tensor, second: Tensor, seam: float, overlap: float) -> Tensor:
    place = (torch.arange(first.shape[1], device=first.device) + 0.5) / first.shape[1]
    weight = ((place - seam) / max(overlap, 1e-6) + 0.5).clamp(0, 1)
    return (1 - weight) * first + weight * second


def _treated(image: Tensor, step: object) -> Tensor:
    match step:
        case Resample():
            return resampled(image, step)
        case Smooth():
            return smoothed(image, step)
        case _:
            return sharpened(image, step)  # type: ignore[arg-type]


def _finished(taken: Tensor, clean: Tensor, models: Sequence[NoiseModel]) -> tuple[Tensor, Tensor]:
    """Saturation, compression, background subtraction and contrast stretch."""
    clean = torch.minimum(clean, _column(clean, [model.camera.ceiling for model in models]))
    for index, model in enumerate(models):
        if model.compress is not None:
            taken[index] = compressed(taken[index], model.compress)
        if model.subtract:
            camera = model.camera
            floor = camera.offset + camera.counts_per_photon * model.exposure.background_photons
            for images in (taken, clean):
                images[index] = (images[index] - floor).clamp_(min=0)
        if model.eight_bits is not None:
            taken[index], clean[index] = stretched(taken[index], clean[index], model.eight_bits)
    return taken, clean


def _column(like: Tensor, values: Sequence[float]) -> Tensor:
    """A number per image, to be combined with images."""
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None, None]
