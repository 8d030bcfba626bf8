"""Training on images by class: what is kept out, how patches are changed, what is learned, what the model carries."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from napari_diffuscope import DiffuscopeError, load_model
from napari_diffuscope.cli.app import make_app
from napari_diffuscope.measure.memorisation import Memorisation
from napari_diffuscope.measure.training_images import read_training_images
from napari_diffuscope.methods.generate.values import from_units, to_units
from napari_diffuscope.training.generate.fields import Field, read_fields
from napari_diffuscope.training.generate.images import images_task
from napari_diffuscope.training.generate.patches import PatchPieces, Range, range_of
from napari_diffuscope.training.network import trained_network
from napari_diffuscope.training.recipe import read_recipe
from napari_diffuscope.training.task import Draw, Part
from napari_diffuscope.weights.folder import build_network
from napari_diffuscope.weights.place import TRAINING_IMAGES_FILE

RECIPE = """
name = "tiny"
task = "generate"

[card]
title = "Tiny"
purpose = "Makes stripes and blobs."

[network]
widths = [8, 16]
encoder_blocks = [1, 1]
decoder_blocks = [1]
classes = 2
smoothed = 2
wavelets = 2

[data]
kind = "classes"
folder = "fields"
unit = "photons"
patch = 32
validation = 4

[diffusion]
shift = 1.0
highest_share = 0.0
sampling_steps = 8

[optimisation]
steps = 8
batch = 4
learning_rate = 1e-2
warmup = 2
validate_every = 8
checkpoint_every = 8
ema = 0.5
"""


def stripes(seed: int, edge: int = 64) -> np.ndarray:
    phase = np.random.default_rng(seed).uniform(0, 6)
    return (50 * (1 + np.sin(np.arange(edge) / 3 + phase)) * np.ones((edge, 1))).astype(np.float32)


def blobs(seed: int, edge: int = 64) -> np.ndarray:
    values = gaussian_filter(np.random.default_rng(seed).standard_normal((edge, edge)), 3)
    return np.clip(60 * values / values.std(), 0, 200).astype(np.float32)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    for name, draw in (("stripes", stripes), ("blobs (simulated)", blobs)):
        folder = tmp_path / "fields" / name
        folder.mkdir(parents=True)
        for seed in range(4):
            tifffile.imwrite(folder / f"{seed}.tif", draw(seed))
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_a_model_comes_of_a_folder_of_classes_and_says_what_it_learned_from(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_diffuscope.training.generate.known.KEPT_PATCHES", 10)
    out = recipe.parent / "model"
    arguments = [
        "train",
        str(recipe),
        "--run",
        str(recipe.parent / "run"),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    done = CliRunner().invoke(make_app(), [*arguments, "--workers", "0", "--quiet"])
    assert done.exit_code == 0, done.output
    card = load_model(out).card
    assert card.task == "generate"
    assert card.classes == ("blobs (simulated)", "stripes")
    assert card.class_optional
    assert card.values is not None
    assert (card.values.unit, card.values.high) == ("photons", pytest.approx(card.values.high))
    assert card.training["classes"]["stripes"]["real"]
    assert not card.training["classes"]["blobs (simulated)"]["real"]
    assert card.training["classes"]["stripes"]["fields"] == 3
    kept = card.training["classes"]["stripes"]["kept_out"]
    assert len(kept) == 1
    known = read_training_images(out / TRAINING_IMAGES_FILE)
    assert len(known.names) == 6
    assert all(known.kept_scores)
    trained = next(name for name in map(str, range(4)) if name not in kept)
    copy = stripes(int(trained))[:32, 8:40]
    assert Memorisation(known).nearest(copy, label=1).score > 0.99


def test_whole_fields_are_kept_out_of_each_class(recipe: Path) -> None:
    fields = read_fields(recipe.parent / "fields", share=0.25, seed=3, smallest=32)
    assert Counter(field.label for field in fields.training) == {0: 3, 1: 3}
    assert Counter(field.label for field in fields.kept) == {0: 1, 1: 1}
    pairs = {(field.label, field.name) for field in fields.training} & {
        (f.label, f.name) for f in fields.kept
    }
    assert not pairs


def test_a_folder_without_classes_and_one_with_validate(tmp_path: Path) -> None:
    for part, seeds in (("train", (0, 1)), ("validate", (2,))):
        (tmp_path / part).mkdir()
        for seed in seeds:
            tifffile.imwrite(tmp_path / part / f"{seed}.tif", blobs(seed))
    fields = read_fields(tmp_path, share=0.5, seed=0, smallest=32)
    assert fields.classes == ()
    assert [field.name for field in fields.training] == ["0", "1"]
    assert [field.name for field in fields.kept] == ["2"]


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.ones((16, 64), np.float32), "32 are the least"),
        (np.full((64, 64), 7, np.uint16), "same value everywhere"),
        (blobs(0) - 5, "below 0"),
    ],
)
def test_fields_that_nothing_can_be_learned_from_are_refused(
    tmp_path: Path, pixels: np.ndarray, words: str
) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
    with pytest.raises(DiffuscopeError, match=words):
        read_fields(tmp_path, share=0.5, seed=0, smallest=32)


def test_one_image_alone_cannot_be_split(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", blobs(0))
    with pytest.raises(DiffuscopeError, match="two of each class"):
        read_fields(tmp_path, share=0.5, seed=0, smallest=32)


def test_another_number_of_classes_is_refused(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("classes = 2", "classes = 3"))
    with pytest.raises(DiffuscopeError, match="classes = 2, not 3"):
        images_task(read_recipe(recipe), torch.device("cpu"))


def pieces_of(pixels: np.ndarray) -> PatchPieces:
    return PatchPieces(
        [Field(0, "a", pixels)],
        classes=1,
        patch=32,
        values=range_of([Field(0, "a", pixels)]),
        densities=(0.0, 0.5),
        seed=1,
    )


def test_what_was_done_to_a_patch_is_told(tmp_path: Path) -> None:
    """Stripes 18.85 pixels wide: their width in a patch is what the network is told of its size."""
    pieces = pieces_of(stripes(0, 200))
    told, widths = [], []
    for number in range(200):
        image, _, numbers = pieces[number]
        if numbers[0, 3] > 0.15:
            continue  # bent
        power = np.abs(np.fft.fft2(image[0, 0] - image.mean(), (256, 256)))
        y, x = np.unravel_index(power.argmax(), power.shape)
        widths.append(256 / np.hypot(min(y, 256 - y), min(x, 256 - x)))
        told.append(18.85 * np.exp(0.25 * numbers[0, 2]))
    assert len(told) > 50
    assert np.corrcoef(told, widths)[0, 1] > 0.8
    untouched = [width for width, size in zip(widths, told, strict=True) if abs(size - 18.85) < 1e-3]
    assert np.std(untouched) < 0.08 * np.mean(untouched)


def test_patches_turn_every_way_and_keep_their_values() -> None:
    field = blobs(5, 200)
    pieces = pieces_of(field)
    seen = [pieces[number] for number in range(60)]
    values = np.concatenate([pieces.range.values(image[0, 0]).ravel() for image, _, _ in seen])
    assert values.min() >= 0
    assert values.mean() == pytest.approx(field.mean(), rel=0.2)
    known = [numbers[0, 0] for _, _, numbers in seen]
    assert 0.2 < np.mean(known) < 0.8
    labelled = [weights.sum() for _, weights, _ in seen]
    assert 0.75 < np.mean(labelled) < 1
    again, other = pieces[7][0], pieces[8][0]
    assert np.array_equal(seen[7][0], again)
    assert not np.array_equal(again, other)


def test_the_root_scale_goes_both_ways() -> None:
    scale, values = Range(8.0), np.array([0.0, 0.5, 2.0, 8.0])
    assert scale.network(values) == pytest.approx([-1, -0.5, 0, 1])
    assert scale.values(scale.network(values)) == pytest.approx(values)


def test_the_mean_of_the_training_is_in_the_middle_and_the_card_says_so(recipe: Path) -> None:
    """Images are mostly background: were it at -1, averages of weights would make it too dark."""
    fields = [Field(0, "a", stripes(0, 200)), Field(1, "b", 0.01 * blobs(5, 200))]
    scale = range_of(fields)
    means = [float(scale.network(field.pixels).mean()) for field in fields]
    assert np.mean(means) == pytest.approx(0, abs=0.02)
    task = images_task(read_recipe(recipe), torch.device("cpu"))
    card = task.card(build_network(trained_network(task.recipe)))
    pixels = task.fields.training[0].pixels
    assert from_units(pixels, card) == pytest.approx(task.pieces.range.network(pixels), abs=1e-5)
    assert to_units(task.pieces.range.network(pixels), card) == pytest.approx(pixels, abs=1e-4)


def test_a_small_network_learns_what_it_is_shown(recipe: Path) -> None:
    torch.manual_seed(0)
    task = images_task(read_recipe(recipe), torch.device("cpu"))
    network = build_network(trained_network(task.recipe)).train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    batches = task.batches(Part(0, 4, 4))
    before = task.validate(network.eval())[task.measure]
    network.train()
    for step in range(40):
        batch = tuple(torch.as_tensor(array) for array in batches[step])
        optimiser.zero_grad()
        task.loss(network, batch, Draw(0, step, Part(0, 4, 4))).backward()
        optimiser.step()
    assert task.validate(network.eval())[task.measure] > before + 2


def test_the_loss_does_not_depend_on_how_a_batch_is_shared(recipe: Path) -> None:
    task = images_task(read_recipe(recipe), torch.device("cpu"))
    network = build_network(trained_network(task.recipe)).eval()
    whole = tuple(torch.as_tensor(array) for array in task.batches(Part(0, 4, 4))[0])
    parts = [Part(0, 2, 4), Part(2, 4, 4)]
    halves = [tuple(torch.as_tensor(array) for array in task.batches(part)[0]) for part in parts]
    with torch.no_grad():
        together = task.loss(network, whole, Draw(0, 0, Part(0, 4, 4)))
        apart = [task.loss(network, half, Draw(0, 0, part)) for half, part in zip(halves, parts, strict=True)]
    assert float(together) == pytest.approx(float(sum(apart)) / 2, rel=1e-5)
