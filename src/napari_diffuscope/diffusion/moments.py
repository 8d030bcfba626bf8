"""Mean and spread of a stream of samples."""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Running mean and standard deviation; Welford 1962. Memory does not grow with the number of samples."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._squares: Tensor | None = None

    def add(self, sample: Tensor) -> None:
        """Take one more sample in."""
        self.count += 1
        if self._mean is None or self._squares is None:
            self._mean, self._squares = sample.clone(), torch.zeros_like(sample)
            return
        before = sample - self._mean
        self._mean = self._mean + before / self.count
        self._squares = self._squares + before * (sample - self._mean)

    @property
    def mean(self) -> Tensor:
        """Mean of the samples so far."""
        if self._mean is None:
            raise ValueError("no samples yet")
        return self._mean

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of the samples so far (n - 1 in the denominator); zero for one sample."""
        if self._squares is None:
            raise ValueError("no samples yet")
        return (self._squares / max(self.count - 1, 1)).sqrt()
