"""How far two label images cover the same pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import same_shape


@dataclass(frozen=True)
class Overlap:
    """Pixels that two label images share.

    Parameters
    ----------
    iou
        Shared pixels over those of either, 0 … 1; of all labels but 0 together.
    dice
        Twice the shared pixels over the sum of both, 0 … 1.
    volume_ratio
        Pixels of the other labels over those of the true ones; 1 is equal.
    object_iou
        Mean over the true labels of the IoU with the one other label that overlaps each most, 0 … 1.
    objects
        True labels.
    """

    iou: float
    dice: float
    volume_ratio: float
    object_iou: float
    objects: int


class OverlapCounter:
    """Overlap over many blocks, without keeping them."""

    def __init__(self) -> None:
        self._true: dict[int, int] = {}
        self._other: dict[int, int] = {}
        self._both: dict[tuple[int, int], int] = {}

    def add(self, truth: object, labels: object) -> None:
        """Count one block: whole numbers of one shape, any number of dimensions; 0 is background.

        Raises
        ------
        DiffuscopeError
            If they are no labels or differ in shape.
        """
        true, other = label_array(truth, "the true labels"), label_array(labels, "the other labels")
        same_shape(true, other, "the true and the other labels")
        ones, at = np.unique(true, return_inverse=True)
        seconds, beside = np.unique(other, return_inverse=True)
        codes, counts = np.unique(at.ravel() * len(seconds) + beside.ravel(), return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            one, second = int(ones[code // len(seconds)]), int(seconds[code % len(seconds)])
            self._true[one] = self._true.get(one, 0) + count
            self._other[second] = self._other.get(second, 0) + count
            self._both[one, second] = self._both.get((one, second), 0) + count

    def result(self) -> Overlap:
        """The overlap of all blocks so far.

        Raises
        ------
        DiffuscopeError
            If the true labels cover nothing.
        """
        true = sum(count for label, count in self._true.items() if label)
        other = sum(count for label, count in self._other.items() if label)
        if true == 0:
            raise DiffuscopeError("The true labels cover no pixel here: there is nothing to compare with.")
        shared = sum(count for pair, count in self._both.items() if all(pair))
        return Overlap(
            iou=shared / (true + other - shared),
            dice=2 * shared / (true + other),
            volume_ratio=other / true,
            object_iou=float(np.mean([self._best(label) for label in self._true if label])),
            objects=sum(1 for label in self._true if label),
        )

    def _best(self, label: int) -> float:
        shared = {second: count for (one, second), count in self._both.items() if one == label and second}
        if not shared:
            return 0.0
        return max(
            count / (self._true[label] + self._other[second] - count) for second, count in shared.items()
        )


def overlap(truth: object, labels: object) -> Overlap:
    """Overlap of two label images.

    Parameters
    ----------
    truth, labels
        Whole numbers or bool of one shape, any number of dimensions; 0 is background.
    """
    counter = OverlapCounter()
    counter.add(truth, labels)
    return counter.result()


def label_array(values: object, name: str) -> np.ndarray:
    """Labels as int64.

    Raises
    ------
    DiffuscopeError
        If they are no whole numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "bui":
        raise DiffuscopeError(
            f"{name.capitalize()} must be whole numbers, not {array.dtype}: compare images without --labels."
        )
    return array.astype(np.int64)
