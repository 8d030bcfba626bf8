"""How near images are to real ones, and what of real images travels with a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.real_images import described_images, read_real_images
from napari_diffuscope.measure.realism import compared, described, joined


def spots(seed: int, count: int = 12, density: float = 0.01, sigma: float = 1.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = (rng.random((count, 64, 64)) < density).astype(float)
    return gaussian_filter(points, (0, sigma, sigma)) * 10


def test_images_of_one_kind_are_nearer_than_denser_or_wider_ones() -> None:
    real = described(spots(0, 24))
    same, denser, wider = (
        compared(real, described(images), below=0.3)
        for images in (spots(1), spots(2, density=0.03), spots(3, sigma=3.0))
    )
    assert same.kernel < 0.2 * min(denser.kernel, wider.kernel)
    assert same.frechet < 0.5 * min(denser.frechet, wider.frechet)
    assert denser.filled > 1.5 * same.filled
    assert wider.width > 1.5 * same.width
    assert wider.spectrum_db > 10 > 3 > same.spectrum_mean_db
    assert denser.histogram > 3 * same.histogram


def test_a_model_carries_what_real_images_are_like_but_no_pixel_of_them(tmp_path: Path) -> None:
    kept, training = spots(0, 20), spots(1, 20)
    real = described_images([kept, kept[:0]], [training, training], ("spots", "others"), 64)
    (tmp_path / "real.npz").write_bytes(real.to_bytes())
    assert (tmp_path / "real.npz").stat().st_size < 0.1 * kept.nbytes
    read = read_real_images(tmp_path / "real.npz")
    made = described(spots(5))
    before, after = (one.compared(made, 0) for one in (real, read))
    assert list(after) == ["generated", "real, of the training", "real, kept out"]
    for name, one in after.items():
        assert one.kernel == pytest.approx(before[name].kernel, rel=1e-3, abs=1e-4)
        assert one.spectrum_db == pytest.approx(before[name].spectrum_db, abs=0.1)
    assert not read.compared(made, 1)  # nothing of that class was kept out
    assert read.compared(made, None)["real, kept out"].images == 20
    assert not read.compared(described(spots(5, 3)), 0)


def test_sets_are_joined_in_their_order() -> None:
    images = spots(4, 5)
    parts = joined([described(images[:2]), described(images[2:])])
    assert len(parts) == 5
    assert parts.features == pytest.approx(described(images).features)


@pytest.mark.parametrize("content", [b"", b"PK damaged", None])
def test_other_files_are_refused_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "real_images.npz"
    if content is None:
        np.savez(path, about=np.frombuffer(b'{"patch": 64, "classes": [], "resolved": [0.2]}', np.uint8))
    else:
        path.write_bytes(content)
    with pytest.raises(DiffuscopeError, match=r"real_images\.npz"):
        read_real_images(path)
