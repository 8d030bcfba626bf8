"""Recipes that are made of what a user chose, for every task; how such a training ends and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.jobs import Update, run
from napari_diffuscope.training.generate.fields import read_fields
from napari_diffuscope.training.learnable import LEARNABLES, Learnable
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.new_model import Learned, NewModel
from napari_diffuscope.training.own_recipe import own_recipe, small_note
from napari_diffuscope.training.pair_files import find_pairs
from napari_diffuscope.training.pair_folders import read_pairs
from napari_diffuscope.training.pair_noise import clean_notes
from napari_diffuscope.training.recipe import Data, read_recipe
from napari_diffuscope.training.recipe_file import recipe_toml, write_recipe
from napari_diffuscope.training.shape.cells import read_cells
from napari_diffuscope.training.teaching import further_job, new_model_job, resumed_recipe
from napari_diffuscope.training.watching import Ended, Validated
from napari_diffuscope.weights.card import read_card
from tests.fuzz.models import write_restoration
from tests.tiny import SMALL

from .test_pairs import scene, write_pairs

CHOSEN = NewModel(name="mine", until="steps", steps=2, patch=32, batch=1, device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three clean images with a pixel size."""
    place = tmp_path / "clean"
    place.mkdir()
    for number in range(3):
        pixels = scene(number).astype(np.float32)
        write_image(
            place / f"{number}.tif", pixels, Image(pixels, "YX", scale=(0.2, 0.2), units=("µm", "µm"))
        )
    return place


def small(name: str) -> Learnable:
    """What is learned, by a network that takes no time."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in SMALL.items()}
    more = {"condition_channels": 0} if name == "generate" else {}
    return replace(LEARNABLES[name], network={**plain, **more})


def made(what: Learnable, chosen: NewModel, place: Path, run_folder: Path, **more: Any) -> Ended:
    def stage(_: Path) -> Iterator[Update]:
        yield Update(0, 0)
        return Learned((place,))

    return run(new_model_job(what, chosen, stage, run_folder, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["denoise", "superres", "generate"])
def test_every_task_learns_from_a_folder_of_images(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    what, seen = small(name), list[Validated]()
    ended = made(what, CHOSEN, folder, tmp_path / "run", watch=seen.append)
    recipe = read_recipe(tmp_path / "run" / "recipe.toml")
    assert (recipe.task, recipe.card.pixel_size, recipe.data.patch) == (what.task, (0.2, 0.2), 32)
    assert recipe == own_recipe(what, CHOSEN, Learned((folder,)))
    assert [one.row["step"] for one in seen] == [1, 2]
    assert all(one.example is not None and one.example[1].shape == (32, 32) for one in seen)
    assert ended.better == (tmp_path / "models" / "mine").is_dir() == (ended.value > 0)
    assert ("is in Models now" if ended.better else "no model was made") in ended.sentence(what)


def test_a_training_that_was_at_its_end_goes_on_for_longer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    place, seen = tmp_path / "run", list[Validated]()
    made(small("denoise"), CHOSEN, folder, place)
    assert resumed_recipe(place, CHOSEN).optimisation.steps == 4
    run(further_job(place, CHOSEN, watch=seen.append))
    assert [one.row["step"] for one in seen] == [1, 2, 3, 4], "earlier ones first"
    with pytest.raises(DiffuscopeError, match="no training to go on with"):
        resumed_recipe(folder, CHOSEN)


def test_a_time_becomes_a_recipe_that_keeps_the_best_weights(folder: Path, tmp_path: Path) -> None:
    recipe = own_recipe(LEARNABLES["denoise"], replace(CHOSEN, until="minutes"), Learned((folder,)))
    plan = recipe.optimisation
    assert (plan.time_budget_minutes, plan.every_minutes) == (30.0, 1.5)
    assert plan.patience > 0
    write_recipe(tmp_path / "recipe.toml", recipe)
    assert recipe_toml(read_recipe(tmp_path / "recipe.toml")) == recipe_toml(recipe)


def test_a_stack_is_split_by_planes_and_noise_on_clean_images_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    stack = np.stack([scene(number) for number in range(5)])
    noisy = stack + np.random.default_rng(0).normal(0, 0.2, stack.shape)
    tifffile.imwrite(tmp_path / "stack.tif", noisy.astype(np.float32), metadata={"axes": "ZYX"})
    recipe = own_recipe(small("denoise"), CHOSEN, Learned((tmp_path / "stack.tif",)))
    assert [(source.planes, source.validation) for source in recipe.data.images] == [
        ((0, 4), False),
        ((4, 5), True),
    ]
    notes: list[str] = []

    def listen(update: Update) -> None:
        if update.warning:
            notes.append(update.message)

    def stage(_: Path) -> Iterator[Update]:
        yield Update(0, 0)
        return Learned((tmp_path / "stack.tif",))

    run(new_model_job(small("denoise"), CHOSEN, stage, tmp_path / "run"), listen)  # type: ignore[arg-type]
    assert any("look noisy" in note for note in notes)
    assert any("Other planes of stack.tif are measured on" in note for note in notes)


def test_pairs_may_lie_in_two_folders(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 4)
    both = own_recipe(LEARNABLES["pairs"], CHOSEN, Learned((folder / "low", folder / "high"))).data
    apart = find_pairs(Path(both.folder), share=0.5, seed=0, high=Path(both.high_folder))
    assert apart == find_pairs(folder, share=0.5, seed=0)


def test_cells_are_cut_out_of_a_labelled_stack(tmp_path: Path) -> None:
    from napari_diffuscope.viewer.train.staging import staged

    z, y, x = np.indices((28, 56, 84), dtype=float)
    labels = np.zeros(z.shape, np.int64)
    for number in range(6):
        centre = (14, 14 + 28 * (number // 3), 14 + 28 * (number % 3))
        far = sum((axis - middle) ** 2 for axis, middle in zip((z, y, x), centre, strict=True))
        labels[far < 10**2] = number + 1
    space = {"scale": (0.2, 0.2, 0.2), "units": ("µm",) * 3}
    raw = Image.wrap((labels > 0) * 100.0 + 10, "ZYX", name="raw", **space)
    marked = Image.wrap(labels, "ZYX", name="marked", **space)
    what = LEARNABLES["shape"]
    learned = run(staged(what, [raw, marked], tmp_path, None))
    cells = read_cells(learned.places[0])
    assert len(cells) == 6
    filled = np.mean([cell.occupied.mean() for cell in cells])
    ball = 4 / 3 * np.pi * 16**3 / 64**3
    assert ball / 1.1 < filled < 1.4 * ball, "half as wide as the window where they are cut, or less"
    recipe = own_recipe(what, CHOSEN, learned)
    assert (recipe.data.patch, recipe.network["stem"]) == (64, [64, 2, 2])
    few = Image.wrap(np.where(labels > 2, 0, labels), "ZYX", name="few", **space)
    with pytest.raises(DiffuscopeError, match="Only 2 cells of 'few'"):
        run(staged(what, [raw, few], tmp_path / "few", None))


def test_images_that_are_the_same_everywhere_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((40, 40), 7, np.uint8))
    for name in ("denoise", "superres"):
        recipe = own_recipe(small(name), CHOSEN, Learned((tmp_path,)))
        with pytest.raises(DiffuscopeError, match="the same value everywhere"):
            run(training_job(recipe, tmp_path / "run", tmp_path / "out", workers=0))


def test_a_start_that_does_other_things_is_refused(folder: Path, tmp_path: Path) -> None:
    for name, start in (("superres", "restoration-fluorescence"), ("generate", "generate-structures")):
        with pytest.raises(DiffuscopeError, match="begin with another model, or with nothing"):
            own_recipe(LEARNABLES[name], CHOSEN, Learned((folder,), start))


def test_the_command_learns_from_a_folder_and_tells_of_colours(folder: Path, tmp_path: Path, capsys) -> None:
    tifffile.imwrite(folder / "photo.tif", photo(), photometric="rgb")
    start = write_restoration(tmp_path / "tiny")
    words = ["train", "--learn", "denoise", "--images", str(folder), "--name", "mine", "--steps", "1"]
    places = ["--from", str(start), "--run", str(tmp_path / "run"), "--workers", "0", "--device", "cpu"]
    with pytest.raises(SystemExit) as ended:
        main([*words, *places, "--quiet"])
    assert not ended.value.code
    card = read_card(tmp_path / "run" / "mine")
    told = "1 of 4 images are in colour, 'photo' first: red, green and blue of each are learned from as three grey"
    assert f"Note: {told}" in capsys.readouterr().err
    assert any(note.startswith(told) for note in card.training["notes"])
    with pytest.raises(SystemExit) as refused:
        main(["train", "--images", str(folder), "--name", "mine"])
    assert refused.value.code == 2
    assert "--learn" in capsys.readouterr().err


def photo() -> np.ndarray:
    """A clean image in colour."""
    return np.stack([20 + 200 * scene(number) for number in (5, 6, 7)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "told"), [("denoise", "red, green and blue"), ("generate", "brightness alone")]
)
def test_layers_in_colour_are_told_and_learned_from_as_the_note_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    from napari.layers import Image as ImageLayer

    from napari_diffuscope.viewer.train.staging import images_of, staged

    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    what = small(name)
    layers = [ImageLayer(photo() + number, rgb=True, name=f"photo {number}") for number in range(2)]
    images = images_of(what, layers)
    job = new_model_job(
        what, CHOSEN, lambda _: staged(what, images, tmp_path / "files", None), tmp_path / "run"
    )
    notes = until_noted(job, "in colour")
    assert notes[-1].startswith("2 of 2 images are in colour, ")
    assert told in notes[-1]
    run(staged(what, images, tmp_path / "files", None))
    files = list((tmp_path / "files" / "images").iterdir())
    assert sum(open_image(path).plane_count for path in files) == (2 if name == "generate" else 6)


def test_pairs_in_colour_are_told_and_read_like_layers(tmp_path: Path) -> None:
    for quality, more in (("low", 9), ("high", 0)):
        (tmp_path / quality).mkdir()
        for name in ("a", "b"):
            noise = np.random.default_rng(0).integers(0, more + 1, photo().shape, np.uint8)
            tifffile.imwrite(tmp_path / quality / f"{name}.tif", photo() + noise, photometric="rgb")
    pairs = read_pairs(Data(kind="pairs", folder=str(tmp_path), patch=32), seed=0)
    assert any("4 of 4 images are in colour" in note for note in pairs.notes)
    assert (len(pairs.training), len(pairs.kept)) == (3, 3)


def test_a_generator_learns_from_the_first_plane_and_says_so(tmp_path: Path) -> None:
    for name in ("a", "b"):
        stack = np.stack([20 + 200 * scene(number) for number in range(4)])
        tifffile.imwrite(tmp_path / f"{name}.tif", stack.astype(np.uint8), photometric="minisblack")
    fields = read_fields(tmp_path, share=0.5, seed=0, smallest=32)
    [note] = fields.notes
    assert note.startswith("2 of 2 images have several planes or channels")
    assert "the first plane of each is learned from" in note


def until_noted(job: Iterator[Update], words: str) -> list[str]:
    """What a job tells up to a note with these words; it is then stopped."""
    notes: list[str] = []
    while not notes or words not in notes[-1]:
        update = next(job)
        if update.warning:
            notes.append(update.message)
    job.close()  # type: ignore[attr-defined]
    return notes


def test_the_manual_tells_of_all_that_can_be_learned() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    for what in LEARNABLES.values():
        assert f"| {what.title} |" in manual
        assert f"| `{what.starter}` | `{what.kind}` |" in manual or not what.starter


def test_the_smallest_image_that_makes_all_pieces_small_is_named(folder: Path, tmp_path: Path) -> None:
    what, chosen = LEARNABLES["denoise"], replace(CHOSEN, patch=None)
    tifffile.imwrite(folder / "crop.tif", scene(0)[:40, :60].astype(np.float32))
    job = new_model_job(what, chosen, lambda _: staged_as_is(folder), tmp_path / "run")
    notes = until_noted(job, "Pieces")
    assert (
        "Pieces of 32 x 32 pixels are learned from instead of 128 x 128, for crop.tif is no larger"
        in notes[0]
    )
    assert small_note(what, CHOSEN, Learned((folder,)), 32) is None, "it was chosen so"


def staged_as_is(folder: Path) -> Iterator[Update]:
    yield Update(0, 0)
    return Learned((folder,))


def test_clean_images_that_are_saturated_are_told(tmp_path: Path) -> None:
    good, flat = 100 * scene(0), np.minimum(100 * scene(1), 30)
    notes = clean_notes([("good", good), ("flat", flat), ("empty", np.zeros((9, 9)))])
    assert len(notes) == 1
    assert "1 of 3 images that should be clean are saturated, 'flat' first" in notes[0]


def test_what_to_do_depends_on_what_was_begun_with() -> None:
    what = LEARNABLES["pairs"]
    assert "or begin with a model" in Ended("mine", False, -0.5).sentence(what)
    better_start = Ended("mine", False, -0.5, before=1.0, start="Smoother").sentence(what)
    assert "begin with a model" not in better_start
    assert "Nor is Smoother (-1.00 dB)" in Ended("mine", False, -0.5, -1.0, "Smoother").sentence(what)
