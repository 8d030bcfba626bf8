"""The page of a comparison, from the command that people type: whole, alone, and what it shows."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import imageio.v3
import numpy as np
import pytest
import tifffile
from scipy import ndimage

import napari_diffuscope
from napari_diffuscope.comparison.opening import open_scene
from napari_diffuscope.comparison.pictures import difference_colours, worst_and_median_place
from napari_diffuscope.comparison.report import report_job, round_length
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.jobs import run

SAMPLES = Path(napari_diffuscope.__file__).parent / "sample_data"
CLEAN, NOISY = str(SAMPLES / "pair_clean.ome.tif"), str(SAMPLES / "pair_noisy.ome.tif")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "napari_diffuscope", "compare", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


class Page(HTMLParser):
    """What a page holds, and whether its elements are closed in order."""

    ALONE = ("meta", "img", "input", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: dict[str, str] = {}
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            self.images[values.get("id") or values["alt"] or ""] = values["src"] or ""
        self.links += [value or "" for key, value in attrs if key in ("href", "src") and value]
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def picture(self, name: str) -> np.ndarray:
        return imageio.v3.imread(base64.b64decode(self.images[name].split(",", 1)[1]))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a command."""
    folder = tmp_path_factory.mktemp("compare") / "report"
    done = command(CLEAN, NOISY, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_command_writes_a_page_and_the_numbers(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == ["numbers.csv", "numbers.md", "report.html"]
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    for words in (
        "pair_noisy against pair_clean",
        "Swipe",
        "Worst place",
        "Median place",
        "Difference",
        "MicroMS3IM",
    ):
        assert words in page.text
    assert "22.46" in page.text  # PSNR in dB
    assert "22.46" in (written / "numbers.md").read_text(encoding="utf-8")
    assert "psnr" in (written / "numbers.csv").read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert all(link.startswith("data:") for link in page.links)
    assert "default-src 'none'" in text
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_pictures_show_the_images_in_one_contrast(written: Path) -> None:
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    truth = tifffile.imread(CLEAN).astype(float)
    low, high = np.percentile(truth, (0.1, 99.9))
    shown = page.picture("image0").astype(float)
    wanted = 255 * np.clip((truth - low) / (high - low), 0, 1)
    assert shown.shape == truth.shape
    assert np.abs(shown - wanted).mean() < 4  # compressed
    noisy = 255 * np.clip((tifffile.imread(NOISY) - low) / (high - low), 0, 1)
    assert np.abs(page.picture("image1") - noisy).mean() < 12
    inset = page.picture("pair_clean, worst place")
    assert inset.shape == (56, 56)
    place, _ = worst_and_median_place(truth, [tifffile.imread(NOISY).astype(float)])
    assert np.abs(inset - place.of(wanted)).max() <= 0.5 + 1e-9  # these are exact


def test_results_show_how_they_were_made(tmp_path: Path, tiny_model: Path) -> None:
    raw, restored = tmp_path / "raw.tif", tmp_path / "restored.tif"
    tifffile.imwrite(raw, tifffile.imread(NOISY)[:128, :128])
    line = [
        sys.executable,
        "-m",
        "napari_diffuscope",
        "restore",
        str(raw),
        str(restored),
        "--model",
        str(tiny_model),
        "-q",
    ]
    subprocess.run(line, check=True, timeout=300)
    done = command(raw, restored, "--out", tmp_path / "out", "-q")
    assert done.returncode == 0, done.stderr
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    for words in ("How restored was made", "Tiny", "mode estimate", "share its noise"):
        assert words in page.text


def test_two_large_images_make_a_page_below_5_megabytes() -> None:
    truth = (1000 * ndimage.gaussian_filter(np.random.default_rng(0).random((2048, 2048)), 2)).astype(
        np.float32
    )
    noise = np.random.default_rng(1).normal(size=truth.shape).astype(np.float32)
    scene = open_scene(truth, [truth + 10 * noise, truth + 20 * noise], names=("truth", "some", "more"))
    report = run(report_job(scene, CompareSettings(("psnr",))))
    assert 100_000 < len(report.html) < 5_000_000


def test_labels_and_stacks_make_a_page(tmp_path: Path) -> None:
    labels = SAMPLES / "cells_labels.ome.tif"
    shutil.copy(labels, tmp_path / "other.ome.tif")
    assert (
        command(labels, tmp_path / "other.ome.tif", "--labels", "--out", tmp_path / "a", "-q").returncode == 0
    )
    page = Page((tmp_path / "a" / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert "IoU" in page.text
    assert "Difference" not in page.text
    done = command(
        SAMPLES / "stack_clean.ome.tif",
        SAMPLES / "stack_noisy.ome.tif",
        "--measures",
        "psnr",
        "--out",
        tmp_path / "b",
    )
    assert done.returncode == 0
    assert "Errors of stack_noisy" in done.stderr
    assert "Z 0:12" in Page((tmp_path / "b" / "report.html").read_text(encoding="utf-8")).text


def test_without_a_folder_the_numbers_are_printed() -> None:
    done = command(CLEAN, NOISY, "--measures", "psnr,pearson", "--fit", "--crop", "0:200,0:300", "-q")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "| image | PSNR (dB) | Pearson |"
    assert lines[3].startswith("| pair_noisy |")
    assert "Y 0:200, X 0:300" in done.stdout
    assert "fitted by a line" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((CLEAN, "absent.tif"), 1, "absent.tif"),
        ((CLEAN, NOISY, "--measures", "psnrr"), 1, "no measure"),
        ((CLEAN, NOISY, "--plane", "7"), 1, "Plane 7"),
        ((CLEAN, NOISY, "--crop", "5"), 1, "not understood"),
        ((CLEAN, NOISY, "--labels"), 0, ""),
        ((CLEAN, str(SAMPLES / "stack_clean.ome.tif")), 1, "axis Z"),
        ((CLEAN,), 2, "Missing argument"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = command(*arguments, "--out", tmp_path / "out", "-q")
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    if code == 1:
        assert done.stderr.startswith("diffuscope: ")
        assert len(done.stderr.strip().splitlines()) == 1
    if code:
        assert not (tmp_path / "out").exists()


def test_nothing_is_replaced_without_being_told_to(written: Path) -> None:
    before = (written / "report.html").stat().st_mtime_ns
    done = command(CLEAN, NOISY, "--out", written)
    assert done.returncode == 1
    assert "--overwrite" in done.stderr
    assert (written / "report.html").stat().st_mtime_ns == before
    assert command(CLEAN, NOISY, "--out", written, "--overwrite", "--measures", "psnr", "-q").returncode == 0
    assert (written / "report.html").stat().st_mtime_ns != before


def test_the_worst_place_is_where_the_images_differ() -> None:
    truth = np.random.default_rng(0).random((300, 400))
    image = truth + 0.01 * np.random.default_rng(1).random((300, 400))
    image[140:150, 320:330] += 1
    worst, median = worst_and_median_place(truth, [image])
    assert worst.top <= 145 < worst.top + worst.side
    assert worst.left <= 325 < worst.left + worst.side
    assert (median.top, median.left) != (worst.top, worst.left)


def test_a_difference_is_white_at_zero_and_symmetric() -> None:
    colours = difference_colours(np.array([[-2.0, 0.0, 2.0, 9.0]]), 2.0)[0].tolist()
    assert colours == [[33, 102, 172], [247, 247, 247], [178, 24, 43], [178, 24, 43]]


@pytest.mark.parametrize(("most", "length"), [(12.0, 10), (0.7, 0.5), (2.0, 2), (999, 500)])
def test_scale_bars_are_round(most: float, length: float) -> None:
    assert round_length(most) == pytest.approx(length)


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium to look at the page with")
@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_the_page_and_moves_its_divider(written: Path, tmp_path: Path, width: int) -> None:
    """The script asks the page itself: nothing wider than the window, and both pictures where the divider says."""
    probe = """<script>
    const range = document.getElementById('divider');
    range.value = 20; range.dispatchEvent(new Event('input'));
    document.getElementById('first').value = 'image1';
    document.getElementById('first').dispatchEvent(new Event('change'));
    const box = document.querySelector('.swipe'), [under, over] = box.querySelectorAll('img');
    document.title = JSON.stringify({
      wide: document.documentElement.scrollWidth <= window.innerWidth,
      at: getComputedStyle(over).clipPath,
      left: under.src === document.getElementById('image1').src,
      loaded: [...document.images].every(image => image.complete && image.naturalWidth > 0),
    });
    </script></body>"""
    changed = tmp_path / "page.html"
    text = (written / "report.html").read_text(encoding="utf-8")
    changed.write_text(text.replace("</body>", probe), encoding="utf-8")
    line = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", changed.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stderr[-500:]
    found = title[1].replace("&quot;", '"')
    assert '"wide":true' in found
    assert '"left":true' in found
    assert "20%" in found
    assert '"loaded":true' in found
