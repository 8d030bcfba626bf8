"""Filled bodies with soft outlines: nuclei, and cells with their cytoplasm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.imaging.tiles import Box
from napari_diffuscope.simulate.emitters import PixelSize, field_of_view, pixel_sizes
from napari_diffuscope.simulate.fields import log_uniform, rough_field, smooth_field


@dataclass(frozen=True)
class Body:
    """One deformed ellipsoid on its part of the grid.

    Parameters
    ----------
    box
        Where on the grid.
    offset_um
        (D, …box) position relative to the centre, in µm.
    ratio
        (…box) distance from the centre over the distance of the outline in that direction: 1 on the outline.
    depth_um
        (…box) about how deep under the outline, in µm; negative outside.
    radius_um
        Mean radius.
    """

    box: Box
    offset_um: np.ndarray
    ratio: np.ndarray
    depth_um: np.ndarray
    radius_um: float

    def inside(self, edge_um: float) -> np.ndarray:
        """1 inside, 0 outside, with an edge ``edge_um`` wide: float32."""
        return np.clip(self.depth_um / edge_um + 0.5, 0, 1).astype(np.float32)


def nuclei(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    diameter_um: float | None = None,
    crowding: float | None = None,
) -> np.ndarray:
    """Nuclei with chromatin texture and nucleoli, some with a labelled envelope: float32 of ``shape``.

    ``diameter_um`` is the mean diameter (5 to 20 µm where not given), ``crowding`` the share of the free
    places that are taken, 0 to 1.
    """
    pixel = pixel_sizes(pixel_size_um, len(shape))
    diameter_um = diameter_um or log_uniform(rng, 5, 20)
    crowding = rng.uniform(0.15, 0.9) if crowding is None else crowding
    grain = np.maximum(log_uniform(rng, 0.3, 2.5) / pixel, 1.0)
    texture = np.exp(rng.uniform(0.05, 0.5) * rough_field(rng, shape, grain)).astype(np.float32)
    dome, envelope = rng.uniform(0, 0.6), rng.uniform() < 0.12
    total = np.zeros(tuple(shape), np.float32)
    for body in bodies(rng, shape, pixel_size_um, diameter_um=diameter_um, crowding=crowding, dent=0.06):
        if envelope:
            part = np.exp(-((body.depth_um / (0.15 + pixel[-1] / 2)) ** 2)) + 0.15 * body.inside(pixel[-1])
        else:
            part = body.inside(pixel[-1]) * np.clip(1 - body.ratio**2, 0, 1) ** dome
            part = part * texture[body.box] * spots(rng, body.offset_um, body.radius_um)
        total[body.box] += np.exp(rng.normal(0, 0.3)) * part.astype(np.float32)
    return total


def cells(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    diameter_um: float | None = None,
    crowding: float | None = None,
) -> np.ndarray:
    """Spread cells: granular cytoplasm, thicker towards a dark, bright or missing nucleus.

    ``diameter_um`` is the mean diameter (12 to 60 µm where not given), ``crowding`` as for nuclei;
    float32 of ``shape``.
    """
    pixel = pixel_sizes(pixel_size_um, len(shape))
    diameter_um = diameter_um or log_uniform(rng, 12, 60)
    crowding = rng.uniform(0.2, 1.0) if crowding is None else crowding
    texture = cytoplasm(rng, shape, pixel_size_um)
    thick, ruffle = rng.uniform(0.1, 1.0), rng.choice([0.0, rng.uniform(0.2, 2.0)])
    nucleus = rng.choice([-0.8, -0.4, 0.0, 0.5, 2.0])
    total = np.zeros(tuple(shape), np.float32)
    for body in bodies(rng, shape, pixel_size_um, diameter_um=diameter_um, crowding=crowding, dent=0.2):
        edge = max(0.3, pixel[-1])
        part = body.inside(edge) * (1 - thick + thick * np.clip(1 - body.ratio**2, 0, 1))
        part += ruffle * np.exp(-((body.depth_um / (0.3 + pixel[-1])) ** 2))
        shift = (0.15 * body.radius_um * rng.standard_normal(len(shape))).reshape(-1, *[1] * len(shape))
        squared = (((body.offset_um - shift) / (0.35 * body.radius_um)) ** 2).sum(axis=0)
        part *= 1 + nucleus / (1 + np.exp(np.clip(8 * (squared - 1), -50, 50)))
        total[body.box] += np.exp(rng.normal(0, 0.3)) * part.astype(np.float32) * texture[body.box]
    return total


def cytoplasm(
    rng: np.random.Generator, shape: Sequence[int], pixel_size_um: PixelSize, *, grain_um: float | None = None
) -> np.ndarray:
    """Uneven granular haze with the dark shadows of organelles, mean about 1: float32 of ``shape``."""
    pixel = pixel_sizes(pixel_size_um, len(shape))
    grain_um = grain_um or log_uniform(rng, 0.3, 6)
    fine = rough_field(
        rng, shape, np.maximum(grain_um / pixel, 1.2), octaves=3, roughness=rng.uniform(0.4, 0.9)
    )
    haze = np.exp(rng.uniform(0.1, 0.8) * fine)
    holes = smooth_field(rng, shape, np.maximum(rng.uniform(0.5, 2) / pixel, 2.0))
    haze *= 1 - rng.uniform(0, 0.9) / (1 + np.exp(np.clip(6 * (2.0 - holes), -50, 50)))
    return np.asarray(haze / haze.mean(), dtype=np.float32)


def bodies(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    diameter_um: float,
    crowding: float,
    dent: float,
) -> Iterator[Body]:
    """Bodies of mean diameter ``diameter_um`` that hardly overlap.

    ``dent`` is the roughness of their outlines. In 3D they lie flat: their height is about half their width.
    """
    size = field_of_view(shape, pixel_size_um)
    for centre in _apart(rng, size, diameter_um * 0.95, crowding):
        radius = diameter_um / 2 * np.exp(rng.normal(0, 0.12))
        stretch = np.exp(rng.normal(0, 0.18))
        radii = np.full(len(shape), radius * rng.uniform(0.4, 0.6))
        radii[-2:] = radius * stretch, radius / stretch
        body = _body(rng, shape, pixel_size_um, centre, radii, dent)
        if body is not None:
            yield body


def _apart(rng: np.random.Generator, size: np.ndarray, distance: float, crowding: float) -> np.ndarray:
    """Random places at least ``distance`` apart in the last two axes, also just outside the field: (N, D)."""
    room = float(np.prod(size[-2:] / distance + 1))
    tries = int(np.clip(crowding * 2.5 * room, 2, 500))
    places = rng.uniform(-0.5, 0.5, (tries, len(size))) * (size + distance) + size / 2
    places[:, :-2] = size[:-2] * rng.uniform(0.3, 0.7, places[:, :-2].shape)
    y, x = places[:, -2], places[:, -1]
    close = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2 < distance**2
    kept = np.zeros(tries, bool)
    for index in range(tries):
        kept[index] = not (close[index] & kept).any()
    return places[kept]


def _body(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    centre: np.ndarray,
    radii: np.ndarray,
    dent: float,
) -> Body | None:
    """A body on its box, or ``None`` where the box lies outside the grid."""
    pixel = pixel_sizes(pixel_size_um, len(shape))
    reach = np.concatenate([radii[:-2], np.full(2, radii[-2:].max())]) * 1.5 + pixel
    low = np.maximum(np.floor((centre - reach) / pixel), 0).astype(int)
    high = np.minimum(np.ceil((centre + reach) / pixel), shape).astype(int)
    if (high <= low).any():
        return None
    axes = [(np.arange(a, b) + 0.5) * p - c for a, b, p, c in zip(low, high, pixel, centre, strict=True)]
    offset = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    turned = offset.copy()
    angle = np.float32(rng.uniform(0, np.pi))
    turned[-2] = np.cos(angle) * offset[-2] - np.sin(angle) * offset[-1]
    turned[-1] = np.sin(angle) * offset[-2] + np.cos(angle) * offset[-1]
    scaled = turned / radii.astype(np.float32).reshape(-1, *[1] * len(shape))
    ratio = np.sqrt((scaled**2).sum(axis=0)) + np.float32(1e-6)
    ratio = ratio / outline(rng, scaled / ratio, dent)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return Body(box, offset, ratio, (1 - ratio) * np.float32(radii[-2:].min()), float(radii[-2:].mean()))


def outline(rng: np.random.Generator, direction: np.ndarray, dent: float) -> np.ndarray:
    """Relative distance of the outline in each direction (D, …): around 1, bounded to 0.6 … 1.4."""
    waves = rng.normal(0, 2.0, (3, len(direction))).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, (3, 1)).astype(np.float32)
    ripple = np.cos(waves @ direction.reshape(len(direction), -1) + phase)
    outline = 1 + rng.normal(0, dent, 3).astype(np.float32) @ ripple
    return np.asarray(np.clip(outline, 0.6, 1.4)).reshape(direction.shape[1:])


def spots(rng: np.random.Generator, offset: np.ndarray, radius: float) -> np.ndarray:
    """Factor that darkens (or brightens) a few round places inside a nucleus, as nucleoli do: (…).

    Parameters
    ----------
    rng
        Random numbers.
    offset
        ``(D, …)`` position relative to the centre of the nucleus, in any unit.
    radius
        Of the nucleus, in that unit.
    """
    factor = np.ones(offset.shape[1:], np.float32)
    change = rng.choice([-0.7, -0.4, 0.8])
    ndim = len(offset)
    for _ in range(rng.integers(0, 5)):
        place = (0.35 * radius * rng.standard_normal(ndim)).reshape(-1, *[1] * ndim)
        size = radius * rng.uniform(0.12, 0.28)
        squared = (((offset - place.astype(np.float32)) / size) ** 2).sum(axis=0)
        factor *= 1 + change * np.exp(-(squared**2))
    return factor
