"""Fields to train the starter model of generated images on: ``python recipes/structures.py DATA OUT``.

DATA is a folder with the public images and localisation tables that are named below; OUT becomes ``train/CLASS`` and
``validate/CLASS`` with float32 TIFFs of 20 nm per pixel. Values are relative to the bright structures of each field.
Whole fields are kept out, but for the one field of microtubules in fine resolution: a part of it is, beyond a gap.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter, label

from napari_diffuscope.simulate.emitters import splat
from napari_diffuscope.simulate.mitochondria import mitochondria
from napari_diffuscope.training.generate.fields import relative

PIXEL_NM = 20.0
LOCALISED, DATAMAP, COUNTED, DRAWN = 1.0, 1.2, 1.0, 2.0
"""Gaussians in pixels: localisations, maps of structures that were regressed from STED, photon counts of STED, and what
is simulated."""

GAP = 32
ROWS_KEPT = 400
"""First row of the part of the microtubule field that is kept out, and the rows before it that are left out."""

CELL_WINDOW = 224
SIMULATED, SIMULATED_KEPT, SIMULATED_EDGE = 24, 6, 256


@dataclass(frozen=True)
class Field:
    """An image of a class."""

    structure: str
    name: str
    pixels: np.ndarray
    kept: bool = False


def rendered(x_nm: np.ndarray, y_nm: np.ndarray) -> np.ndarray:
    """Localisations in a field that just holds them, with a margin of 20 pixels."""
    places = np.stack([y_nm, x_nm], 1) / PIXEL_NM
    places = places - places.min(0) + 20
    shape = np.ceil(places.max(0)).astype(int) + 21
    return gaussian_filter(splat(places, np.ones(len(places)), shape), LOCALISED)


def microtubules(data: Path) -> Iterator[Field]:
    """One field of MINFLUX, in two parts, and single filaments of a localisation table."""
    field = tifffile.imread(data / "microtubules_minflux/minflux_mt_20nm_binned.tif").astype(float)
    field = relative(gaussian_filter(field, LOCALISED))
    yield Field("microtubules", "minflux", field[: ROWS_KEPT - GAP])
    yield Field("microtubules", "minflux_kept", field[ROWS_KEPT:], kept=True)
    table = np.genfromtxt(
        data / "smlm_localisations/U2OS_microtubules_single.csv", delimiter=",", skip_header=3
    )
    yield Field("microtubules", "u2os", relative(rendered(table[:, 1], table[:, 2])), kept=True)


def sted(data: Path) -> Iterator[Field]:
    """Tubulin and F-actin."""
    for structure, file, kept in (("tubulin (STED)", "tubulin", (3, 4)), ("F-actin (STED)", "factin", (3,))):
        for number, plane in enumerate(tifffile.imread(data / f"sted_datamaps/{file}.tif")):
            pixels = relative(gaussian_filter(plane.astype(float), DATAMAP))
            yield Field(structure, f"{file}_{number}", pixels, kept=number in kept)
    for structure, file, out in (
        ("tubulin (STED)", "tubulin", False),
        ("F-actin (STED)", "factin_axon_3", False),
        ("F-actin (STED)", "factin_axon_actin_1", False),
        ("F-actin (STED)", "factin_dendrite_07_Glu-Gly_1", False),
        ("F-actin (STED)", "factin_dendrite_07_Glu-Gly_2", True),
    ):
        counts = tifffile.imread(data / f"sr_images/sted_{file}.tif").astype(float)
        smooth = gaussian_filter(counts, COUNTED)
        yield Field(structure, f"sted_{file}", relative(smooth - np.percentile(smooth, 1)), kept=out)


def bacteria(data: Path) -> Iterator[Field]:
    """Envelopes of E. coli: windows around the cells of seven fields, of which two are kept out."""
    for number in range(1, 8):
        table = np.loadtxt(
            data / f"sr_localisations/ecoli_membrane_storm_0{number}.csv.gz", delimiter=",", skiprows=1
        )
        exact = table[table[:, 3] < 20]
        pixels = rendered(exact[:, 1], exact[:, 2])
        for place, window in enumerate(cells_of(pixels)):
            yield Field("E. coli envelope (STORM)", f"field{number}_{place}", window, kept=number in (3, 6))


def cells_of(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Windows around what is large and bright, one after the other."""
    smooth = gaussian_filter(pixels, 8)
    found, count = label(smooth > 0.025)
    for number in range(1, count + 1):
        rows, columns = np.nonzero(found == number)
        if len(rows) < 1500 or max(np.ptp(rows), np.ptp(columns)) > CELL_WINDOW:
            continue
        centre = np.array([(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2])
        first = np.clip(centre - CELL_WINDOW // 2, 0, np.array(pixels.shape) - CELL_WINDOW)
        yield relative(pixels[first[0] : first[0] + CELL_WINDOW, first[1] : first[1] + CELL_WINDOW])


def simulated() -> Iterator[Field]:
    """Mitochondria of the package's own specimens."""
    shape, size, number, rng = (SIMULATED_EDGE,) * 2, PIXEL_NM / 1000, 0, np.random.default_rng(13)
    while number < SIMULATED + SIMULATED_KEPT:
        pixels = gaussian_filter(mitochondria(rng, shape, size).render(shape, size), DRAWN)
        if (pixels > 0.1 * pixels.max()).mean() < 0.03:
            continue  # none in this field
        yield Field(
            "mitochondria (simulated)", f"simulated_{number:02d}", relative(pixels), kept=number >= SIMULATED
        )
        number += 1


def main(data: Path, out: Path) -> None:
    """Write all fields and say how many."""
    counts: dict[str, list[int]] = {}
    for source in (microtubules(data), sted(data), bacteria(data), simulated()):
        for field in source:
            folder = out / ("validate" if field.kept else "train") / field.structure
            folder.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(
                folder / f"{field.name}.tif",
                field.pixels,
                imagej=True,
                resolution=(1000 / PIXEL_NM, 1000 / PIXEL_NM),
                metadata={"unit": "um", "axes": "YX"},
            )
            counts.setdefault(field.structure, [0, 0])[field.kept] += 1
    for structure, (trained, kept) in counts.items():
        sys.stdout.write(f"{structure}: {trained} fields to train on, {kept} kept out\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
