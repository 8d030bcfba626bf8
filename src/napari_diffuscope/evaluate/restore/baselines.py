"""Classical methods, each at its best: settings are searched per image with the truth at hand.

That is more than any user can do, and so an upper bound on what these methods give. Non-local means (Buades, Coll &
Morel 2005; fast form of Darbon et al. 2008), total variation (Chambolle 2004) and BM3D (Dabov et al. 2007; package
``bm3d``, free for non-commercial use alone and therefore optional) are tried on the counts and behind a
variance-stabilising transform that knows the true gain, offset and read noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.anscombe import Anscombe
from napari_diffuscope.evaluate.deconvolution import RichardsonLucy, richardson_lucy
from napari_diffuscope.evaluate.restore.cases import Case
from napari_diffuscope.measure.quality import rmse

Filter = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Best:
    """What a method gave at its best.

    Parameters
    ----------
    image
        (Y, X) float32 counts.
    setting
        In words.
    seconds
        Of one call at that setting.
    """

    image: np.ndarray
    setting: str
    seconds: float


@dataclass
class Search:
    """Keeps the best of several tries against the truth of a case."""

    truth: np.ndarray
    affine: bool
    error: float = np.inf
    best: Best | None = None

    def attempt(self, setting: str, call: Callable[[], np.ndarray]) -> float:
        """Error of one try."""
        began = time.perf_counter()
        image = np.asarray(call(), dtype=np.float32)
        seconds = time.perf_counter() - began
        error = rmse(self.truth, image, affine=self.affine)
        if error < self.error or self.best is None:
            self.error, self.best = error, Best(image, setting, seconds)
        return error

    def along(
        self, words: str, values: Sequence[float], call: Callable[[float], np.ndarray], *, refine: int = 2
    ) -> float:
        """Try rising values, then ``refine`` times the geometric means around the best; returns the best value."""
        errors = {value: self._at(words, value, call) for value in values}
        for _ in range(refine):
            tried = sorted(errors)
            place = tried.index(min(errors, key=errors.__getitem__))
            for near in tried[max(place - 1, 0) : place] + tried[place + 1 : place + 2]:
                middle = float(np.sqrt(near * tried[place]))
                errors[middle] = self._at(words, middle, call)
        return min(errors, key=errors.__getitem__)

    def _at(self, words: str, value: float, call: Callable[[float], np.ndarray]) -> float:
        return self.attempt(words.format(value), lambda: call(value))

    def result(self) -> Best:
        """The best try."""
        assert self.best is not None
        return self.best


@dataclass(frozen=True)
class Domain:
    """Where a filter works: on the counts, or on stabilised values.

    Parameters
    ----------
    name
        ``counts`` or ``stabilised``.
    noise
        Standard deviation of the noise there (of counts: the root of its mean variance).
    forward, inverse
        To and fro.
    """

    name: str
    noise: float
    forward: Filter
    inverse: Filter

    def through(self, values: np.ndarray, step: Filter) -> np.ndarray:
        """Filter an image in counts."""
        return self.inverse(step(self.forward(values)))


def domains(case: Case) -> tuple[Domain, Domain]:
    """Stabilised values, and counts divided by their noise (so that settings have equal ranges)."""
    transform = Anscombe(case.gain, case.offset, case.read_noise)
    signal = np.maximum(case.noisy.astype(np.float64) - case.offset, 0).mean()
    noise = float(np.sqrt(case.gain * signal + case.read_noise**2))
    return (
        Domain("stabilised", 1.0, transform.forward, transform.inverse),
        Domain("counts", noise, lambda x: np.asarray(x, np.float64) / noise, lambda x: x * noise),
    )


def no_method(case: Case) -> Best:
    """The noisy image."""
    return Best(case.noisy.astype(np.float32), "", 0.0)


def gaussian(case: Case) -> Best:
    """Gaussian filter, its width searched."""
    search = Search(case.clean, case.affine)
    search.along(
        "sigma {:.2f} px", list(map(float, np.geomspace(0.3, 6, 8))), lambda s: gaussian_filter(case.noisy, s)
    )
    return search.result()


def median(case: Case) -> Best:
    """Median filter, the edge of its window searched."""
    search = Search(case.clean, case.affine)
    for edge in (3, 5, 7, 9):
        search.attempt(f"{edge} px", lambda edge=edge: median_filter(case.noisy, edge))  # type: ignore[misc]
    return search.result()


def total_variation(case: Case) -> Best:
    """Total variation, its weight searched."""
    from skimage.restoration import denoise_tv_chambolle

    search = Search(case.clean, case.affine)
    for domain in domains(case):

        def call(weight: float, domain: Domain = domain) -> np.ndarray:
            return domain.through(
                case.noisy, lambda x: denoise_tv_chambolle(x, weight=weight, eps=2e-5, max_num_iter=150)
            )

        search.along(f"weight {{:.2f}}, {domain.name}", (0.4, 0.8, 1.6, 3.2, 6.4), call, refine=1)
    return search.result()


def non_local_means(case: Case) -> Best:
    """Non-local means, filter strength and edge of the patch searched."""
    from skimage.restoration import denoise_nl_means

    search = Search(case.clean, case.affine)
    for domain in domains(case):
        for patch in (5, 9):

            def call(h: float, domain: Domain = domain, patch: int = patch) -> np.ndarray:
                return domain.through(
                    case.noisy,
                    lambda x: denoise_nl_means(
                        x, patch_size=patch, patch_distance=8, h=h, sigma=1.0, preserve_range=True
                    ),
                )

            strengths = (0.5, 1.0, 2.0) if case.correlated else (0.35, 0.65, 1.2)
            search.along(f"h {{:.2f}}, patch {patch} px, {domain.name}", strengths, call, refine=1)
    return search.result()


def bm3d(case: Case) -> Best:
    """BM3D, the assumed noise searched on the middle of the image; the best setting is used for all of it."""
    from bm3d import bm3d as denoise

    tried: list[tuple[float, Domain, float]] = []
    rows, columns = (slice(max(0, n // 2 - 64), n // 2 + 64) for n in case.noisy.shape)
    trial = Search(case.clean[rows, columns], case.affine)

    def attempt(domain: Domain, factor: float) -> None:
        error = trial.attempt(
            "", lambda: domain.through(case.noisy[rows, columns], lambda x: denoise(x, factor))
        )
        tried.append((error, domain, factor))

    stabilised, counts = domains(case)
    for factor in (1.0, 1.5, 2.2) if case.correlated else (0.75, 1.0, 1.4):
        attempt(stabilised, factor)
    for factor in (1.5,) if case.correlated else (1.0,):
        attempt(counts, factor)
    _, domain, best = min(tried, key=lambda entry: entry[0])
    for factor in (best * 0.84, best * 1.2):
        attempt(domain, factor)
    _, domain, factor = min(tried, key=lambda entry: entry[0])
    search = Search(case.clean, case.affine)
    search.attempt(
        f"sigma {factor:.2f}, {domain.name}",
        lambda: domain.through(case.noisy, lambda x: denoise(x, factor)),
    )
    return search.result()


def deconvolved(case: Case) -> Best:
    """Richardson-Lucy with the true point spread function, blurred to the width of the target.

    Searched are the number of iterations, a Gaussian filter before it (known to the algorithm as part of the point
    spread function) and the weight of total variation.
    """
    search = Search(case.clean, case.affine)
    least = {smooth: _deconvolve(case, search, RichardsonLucy(smooth, 0.002)) for smooth in (0.0, 1.0, 2.0)}
    smooth = min(least, key=least.__getitem__)
    for variation in (0.0, 0.01):
        _deconvolve(case, search, RichardsonLucy(smooth, variation))
    return search.result()


def _deconvolve(case: Case, search: Search, setting: RichardsonLucy) -> float:
    """Iterate until the error rises; returns the least error."""
    assert case.psf is not None
    assert case.target_psf is not None
    light = case.noisy.astype(np.float64) - case.offset
    began, errors = time.perf_counter(), list[float]()
    for iteration, image in richardson_lucy(light, case.psf, case.target_psf, setting):
        counts = image + case.offset
        words = f"{iteration} iterations, smooth {setting.smooth:g} px, variation {setting.variation:g}"
        errors.append(search.attempt(words, lambda counts=counts: counts))  # type: ignore[misc]
        if search.best is not None and search.best.setting == words:
            search.best = Best(search.best.image, words, time.perf_counter() - began)
        if errors[-1] > 1.02 * min(errors):
            break
    return min(errors)


METHODS: dict[str, Callable[[Case], Best]] = {
    "gaussian": gaussian,
    "median": median,
    "tv": total_variation,
    "nlm": non_local_means,
    "bm3d": bm3d,
    "richardson-lucy": deconvolved,
}
"""Classical methods by name."""

INPUT = "input"

TITLES = {
    INPUT: "input",
    "gaussian": "Gaussian",
    "median": "median",
    "tv": "total variation",
    "nlm": "non-local means",
    "bm3d": "BM3D",
    "richardson-lucy": "Richardson–Lucy",
}

COSTS = {INPUT: 1, "gaussian": 1, "median": 2, "tv": 6, "nlm": 20, "bm3d": 90, "richardson-lucy": 200}
"""About how long a search takes on a field of 256 x 256, in tenths of a second."""


def chosen_methods(wanted: Sequence[str] | None, target: str) -> tuple[tuple[str, ...], str]:
    """Methods to run, and a sentence about what is left out (empty for nothing).

    Raises
    ------
    DiffuscopeError
        For an unknown name, or one that is asked for and cannot run.
    """
    for name in wanted or ():
        if name not in METHODS:
            raise DiffuscopeError(f"There is no method {name!r}; choose from {', '.join(METHODS)}.")
    names = [name for name in METHODS if wanted is None or name in wanted]
    if target != "sharp" and "richardson-lucy" in names:
        if wanted is not None:
            raise DiffuscopeError(
                "richardson-lucy needs the target sharp; it has nothing to deblur otherwise."
            )
        names.remove("richardson-lucy")
    if "bm3d" in names and find_spec("bm3d") is None:
        if wanted is not None:
            raise DiffuscopeError(
                "bm3d is not installed; install it with pip install 'napari-diffuscope[baselines]' "
                "(free for non-commercial use alone)."
            )
        names.remove("bm3d")
        return tuple(names), (
            "BM3D is left out: it is not installed (pip install 'napari-diffuscope[baselines]'; "
            "free for non-commercial use alone)."
        )
    return tuple(names), ""
