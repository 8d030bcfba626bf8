"""How near any estimate can come to a noisy truth: ``python benchmarks/superres_ceiling.py training_sample1.tif``.

No method predicts the noise of a plane that was taken by itself. Its variance is read off the quietest blocks of 8 × 8
pixels, judged by planes that are not compared: half the mean square difference of planes one and two apart holds the
noise once, and structure that grows with the distance or with its square. Beside it stand straight weights of the two
measured planes above and the two below, 7 × 7 pixels of each, fitted on the planes that superres-em was trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile
from numpy.lib.stride_tricks import sliding_window_view

TRAINED, TESTED, EDGE, BLOCK, RADIUS, QUIETEST = slice(0, 100), slice(133, 250), 128, 8, 3, 0.1


def blocks(plane: np.ndarray) -> np.ndarray:
    """Pixels of each block."""
    height, width = (length // BLOCK for length in plane.shape)
    cut = plane[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK)
    return cut.swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)


def noise_variance(volume: np.ndarray) -> tuple[float, float]:
    """Least and largest: structure grows with the distance of planes, or with its square."""
    rows = []
    for z in range(3, len(volume) - 5):
        below, above = (blocks(volume[at : at + 2].mean(0)) for at in (z - 3, z + 3))
        structure = ((below + above) / 2).var(1) + np.square(below - above).mean(1) / 2
        one, two = (np.square(blocks(volume[z] - volume[z + apart])).mean(1) / 2 for apart in (1, 2))
        rows.append(np.stack([structure, one, two], 1))
    found = np.concatenate(rows)
    quiet = found[:, 0] <= np.quantile(found[:, 0], QUIETEST)
    one, two = found[quiet, 1:].mean(0)
    return 2 * one - two, (4 * one - two) / 3


def around(volume: np.ndarray, z: int, at: int, factor: int, every: int = 1) -> np.ndarray:
    """Pixels that stand for every so many of a plane, and 1; the volume is mirrored at its ends, which are measured."""
    places = np.abs([z - at - factor, z - at, z - at + factor, z - at + 2 * factor])
    places = len(volume) - 1 - np.abs(len(volume) - 1 - places)
    wide = np.pad(volume[places], ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)), mode="reflect")
    seen = sliding_window_view(wide, (2 * RADIUS + 1,) * 2, axis=(1, 2))[:, ::every, ::every]
    flat = seen.transpose(1, 2, 0, 3, 4).reshape(-1, 4 * (2 * RADIUS + 1) ** 2)
    return np.append(flat, np.ones((len(flat), 1)), axis=1)


def straight_errors(trained: np.ndarray, tested: np.ndarray, factor: int) -> list[float]:
    """Mean square errors of the planes of the tested volume that were not measured."""
    errors = []
    for at in range(1, factor):
        count = 4 * (2 * RADIUS + 1) ** 2 + 1
        square, right = np.zeros((count, count)), np.zeros(count)
        for z in range(factor + at, len(trained) - 2 * factor, 4):
            seen = around(trained, z, at, factor, every=3)
            square, right = square + seen.T @ seen, right + seen.T @ trained[z, ::3, ::3].ravel()
        weights = np.linalg.solve(square + 1e-6 * np.diag(square).mean() * np.eye(len(square)), right)
        for z in range(at, len(tested) - 1, factor):
            found = around(tested, z, at, factor) @ weights
            errors.append(float(np.square(found - tested[z].ravel()).mean()))
    return errors


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volume", type=Path)
    whole = tifffile.imread(parser.parse_args().volume).astype(np.float64)
    middle = slice((whole.shape[1] - EDGE) // 2, (whole.shape[1] + EDGE) // 2)
    tested = whole[TESTED, middle, middle]
    peak = np.ptp(tested)
    least, largest = noise_variance(tested)
    print(
        f"noise: variance {least:.1f} to {largest:.1f}; no estimate is above "
        f"{10 * np.log10(peak**2 / largest):.2f} to {10 * np.log10(peak**2 / least):.2f} dB"
    )
    for factor in (2, 4, 8):
        used = tested[: (len(tested) - 1) // factor * factor + 1]
        ratios = [
            10 * np.log10(np.ptp(used) ** 2 / error)
            for error in straight_errors(whole[TRAINED], used, factor)
        ]
        print(f"straight weights, every {factor}: {np.mean(ratios):.2f} dB", flush=True)


if __name__ == "__main__":
    main()
