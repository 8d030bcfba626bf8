"""Classical methods make a simple image better, at settings that are worth their name."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.evaluate.restore import baselines
from napari_diffuscope.evaluate.restore.baselines import METHODS, Search, chosen_methods
from napari_diffuscope.evaluate.restore.cases import Case, CaseName, make_case
from napari_diffuscope.evaluate.restore.classical import search_cases
from napari_diffuscope.evaluate.restore.fields import Field
from napari_diffuscope.measure.quality import psnr


def discs(noise: str = "camera", level: str = "medium", target: str = "equal-blur", edge: int = 64) -> Case:
    y, x = np.mgrid[:edge, :edge]
    sharp = sum(
        (np.hypot(y - a, x - b) < r).astype(np.float32)
        for a, b, r in ((20, 20, 10), (40, 44, 12), (12, 50, 5))
    )
    clean = gaussian_filter(sharp, 1.5)
    field = Field("test", "discs", "discs", clean / clean.max(), sharp)
    return make_case(CaseName(field, noise, level, target), seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["gaussian", "median", "tv", "nlm"])
@pytest.mark.parametrize("noise", ["camera", "scanner"])
def test_methods_improve(method: str, noise: str) -> None:
    case = discs(noise)
    best = METHODS[method](case)
    assert best.image.shape == case.clean.shape
    assert psnr(case.clean, best.image) > psnr(case.clean, case.noisy) + 4
    assert best.setting
    assert best.seconds > 0


def test_bm3d_improves_most() -> None:
    pytest.importorskip("bm3d", reason="needs the package bm3d, free for non-commercial use")
    case = discs()
    gain = {m: psnr(case.clean, METHODS[m](case).image) for m in ("gaussian", "bm3d")}
    assert gain["bm3d"] > gain["gaussian"] + 0.5


def test_a_search_finds_the_best_width() -> None:
    case = discs()
    widths = np.linspace(0.3, 6, 200)
    best = max(psnr(case.clean, gaussian_filter(case.noisy, width)) for width in widths)
    assert psnr(case.clean, METHODS["gaussian"](case).image) == pytest.approx(best, abs=0.05)


def test_a_search_keeps_the_best() -> None:
    search = Search(np.zeros((4, 4)) + np.eye(4), affine=False)
    found = search.along("value {:.2f}", (1.0, 4.0, 16.0), lambda v: np.eye(4) * v / 3, refine=4)
    assert found == pytest.approx(3, rel=0.2)
    assert search.result().setting == f"value {found:.2f}"


def test_deconvolution_beats_denoising_where_noise_is_low() -> None:
    case = discs(level="low", target="sharp")
    gain = {m: psnr(case.clean, METHODS[m](case).image) for m in ("gaussian", "richardson-lucy")}
    assert gain["richardson-lucy"] > max(gain["gaussian"], psnr(case.clean, case.noisy)) + 2


def test_deconvolution_keeps_the_light() -> None:
    case = discs(level="low", target="sharp")
    best = METHODS["richardson-lucy"](case)
    assert best.image.mean() - case.offset == pytest.approx(case.clean.mean() - case.offset, rel=0.05)


def test_what_cannot_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_methods(("median", "gaussian"), "equal-blur") == (("gaussian", "median"), "")
    assert "richardson-lucy" in chosen_methods(None, "sharp")[0]
    with pytest.raises(DiffuscopeError, match="no method 'wiener'; choose from gaussian"):
        chosen_methods(("wiener",), "sharp")
    with pytest.raises(DiffuscopeError, match="needs the target sharp"):
        chosen_methods(("richardson-lucy",), "equal-blur")
    monkeypatch.setattr(baselines, "find_spec", lambda name: None)
    names, sentence = chosen_methods(None, "equal-blur")
    assert "bm3d" not in names
    assert "non-commercial" in sentence
    with pytest.raises(DiffuscopeError, match="bm3d is not installed"):
        chosen_methods(("bm3d",), "equal-blur")


@pytest.mark.slow
def test_processes_give_what_one_gives() -> None:
    wanted = [(discs(level=level).name, ("gaussian",)) for level in ("low", "high")]
    alone = {f.number: f.best["gaussian"] for f in search_cases(wanted, seed=0, workers=1) if f}
    together = {f.number: f.best["gaussian"] for f in search_cases(wanted, seed=0, workers=2) if f}
    assert alone.keys() == together.keys() == {0, 1}
    for number, best in alone.items():
        np.testing.assert_array_equal(best.image, together[number].image)
    assert multiprocessing.active_children() == []
