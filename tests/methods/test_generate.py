"""Images made from noise: what they depend on, what steers them, and what is refused."""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_diffuscope import generate
from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.jobs import run
from napari_diffuscope.methods.generate import GENERATE, GenerateSettings, job
from napari_diffuscope.methods.generate.judging import MOST_WINDOWS
from napari_diffuscope.methods.storing import files_job
from napari_diffuscope.weights.place import REAL_IMAGES_FILE

from .generators import carry_real, carry_training, write_generator, write_windowed

SIZES: list[dict[str, Any]] = [{"tile": 64}, {"batch": 1}, {"batch": 3}, {"tile": 96, "batch": 2}]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_generator(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Without classes and density."""
    return str(
        write_generator(
            tmp_path_factory.mktemp("models") / "plain", classes=(), density=None, pixel_size=None
        )
    )


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_windowed(tmp_path_factory.mktemp("models") / "windowed"))


def called(*words: object) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


# What images depend on


def test_images_have_the_units_and_pixels_of_the_training_data(model: str) -> None:
    result = generate(model=model, number=3, size=64, width=80, seed=5)
    assert (result.generated.shape, result.generated.dtype) == ((3, 64, 80), np.float32)
    assert 0 <= result.generated.min() < 5
    assert 15 < result.generated.max() <= 20
    spec = result.specs["generated"].spec
    assert (spec.axes, spec.scale[1:], spec.units[1:]) == ("TYX", (0.02, 0.02), ("micrometer",) * 2)
    assert result.record["unit"] == "localisations per pixel"
    assert len(result.record["model"]["sha256"]) == 64


@pytest.mark.parametrize("computed", SIZES)
def test_tiles_and_batches_change_no_bit(model: str, computed: dict[str, Any]) -> None:
    wanted = {"model": model, "number": 3, "size": 150, "width": 100, "seed": 1}
    np.testing.assert_array_equal(generate(**wanted, **computed).generated, generate(**wanted).generated)


def test_an_image_depends_on_its_number_and_the_seed_alone(model: str) -> None:
    five = generate(model=model, number=5, size=64).generated
    two = generate(model=model, number=2, size=64).generated
    np.testing.assert_array_equal(two, five[:2])
    assert np.abs(five[0] - five[1]).mean() > 1
    assert np.abs(generate(model=model, number=1, size=64, seed=9).generated - five[0]).mean() > 1


def test_one_image_is_a_plane(model: str) -> None:
    assert generate(model=model, number=1, size=64).generated.shape == (64, 64)


@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_the_command_gives_the_bits_of_python_and_can_be_repeated(
    model: str, tmp_path: Path, name: str
) -> None:
    words = ("generate", tmp_path / name, "--model", model, "--number", 3, "--size", 64, "--steps", 2)
    assert called(*words, "--class", "mitochondria", "--density", 0.2, "--quiet") == 0
    image = open_image(tmp_path / name)
    expected = generate(model=model, number=3, size=64, steps=2, class_="mitochondria", density=0.2)
    np.testing.assert_array_equal(image.data[:], expected.generated)
    assert image.scale[-2:] == (0.02, 0.02)
    assert called("repeat", tmp_path / name, tmp_path / "again.tif", "--quiet") == 0
    np.testing.assert_array_equal(open_image(tmp_path / "again.tif").data[:], expected.generated)


@pytest.mark.parametrize("stored", [False, True])
def test_a_stopped_run_goes_on_to_the_same_bits(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    monkeypatch.setattr(job, "MOST_IN_MEMORY", 0 if stored else 2**28)
    settings = GenerateSettings(model=model, number=2, size=150, tile=64)
    seen: list[int] = []

    def stop(update: Any) -> None:
        if update.done == 20:
            raise KeyboardInterrupt

    files = {"generated": tmp_path / "out.tif"}
    with pytest.raises(KeyboardInterrupt):
        run(files_job(GENERATE, {}, settings, files), stop)
    assert not files["generated"].exists()
    assert (tmp_path / ".out.tif.states").exists() == stored
    run(files_job(GENERATE, {}, settings, files), lambda update: seen.append(update.done))
    monkeypatch.undo()
    np.testing.assert_array_equal(
        open_image(files["generated"]).data[:], generate(settings=settings, tile=None).generated
    )
    assert [path.name for path in tmp_path.iterdir()] == ["out.tif"]
    assert not stored or min(done for done in seen if done) >= 20


def test_large_planes_are_written_in_blocks(model: str, tmp_path: Path) -> None:
    settings = GenerateSettings(model=model, number=1, size=2100, width=2112, steps=1)
    final: list[Any] = []

    def watch(update: Any) -> None:
        if update.final:
            final.append(update.region)

    run(files_job(GENERATE, {}, settings, {"generated": tmp_path / "out.ome.zarr"}), watch)
    assert len(final) > 1
    whole = generate(settings=settings, tile=640).generated
    np.testing.assert_array_equal(open_image(tmp_path / "out.ome.zarr").data[:], whole)


# Networks that see a window


def test_windows_are_blended_to_the_same_bits_in_any_pieces(windowed: str) -> None:
    wanted = {"model": windowed, "number": 2, "size": 100, "width": 72, "steps": 2}
    whole = generate(**wanted).generated
    assert whole.shape == (2, 100, 72)  # of three channels, one
    np.testing.assert_array_equal(generate(**wanted, tile=64, batch=2).generated, whole)


def test_as_published_draws_with_the_whole_chain(windowed: str) -> None:
    result = generate(model=windowed, number=1, size=64, mode="as-published")
    assert result.record["steps"] == 20
    again = generate(model=windowed, number=1, size=64, mode="as-published", seed=0)
    np.testing.assert_array_equal(result.generated, again.generated)


# What steers them


def test_classes_mixtures_and_densities_make_other_images(model: str) -> None:
    def made(**steering: Any) -> np.ndarray:
        return np.asarray(generate(model=model, number=1, size=64, **steering).generated)

    first, second = made(class_="microtubules"), made(class_="mitochondria")
    mixed = made(class_="microtubules:1,mitochondria:3")
    images = [made(), first, second, mixed, made(density=0.1), made(density=0.5)]
    images.append(made(class_="microtubules", guidance=3.0))
    for i, one in enumerate(images):
        assert all(np.abs(one - other).max() > 0.01 for other in images[:i])
    np.testing.assert_array_equal(made(class_="microtubules:2"), first)
    record = generate(model=model, number=1, size=64, class_="microtubules:1,mitochondria:3").record
    assert record["classes"] == pytest.approx({"microtubules": 0.25, "mitochondria": 0.75})


def test_a_series_leads_from_one_seed_to_the_other(model: str) -> None:
    series = generate(model=model, number=5, size=64, seed=3, other_seed=8).generated
    ends = [generate(model=model, number=1, size=64, seed=seed).generated for seed in (3, 8)]
    np.testing.assert_array_equal(series[0], ends[0])
    np.testing.assert_array_equal(series[-1], ends[1])
    steps = np.abs(np.diff(series, axis=0)).mean((1, 2))
    assert steps.max() < np.abs(ends[0] - ends[1]).mean()


def test_more_like_an_image_the_lower_the_strength(model: str) -> None:
    like = generate(model=model, number=1, size=64, width=96, seed=21).generated
    away = [
        np.abs(generate(model=model, like=like, number=2, strength=s, steps=20).generated - like).mean()
        for s in (0.02, 0.1, 0.5, 1.0)
    ]
    assert away[0] < 0.5
    assert away == sorted(away)
    assert away[-1] > 5 * away[0]


def test_an_image_in_other_units_is_stretched_and_that_is_said(model: str) -> None:
    like = generate(model=model, number=1, size=64).generated * 500
    result = generate(model=model, like=like, number=1, strength=0.2)
    assert "were stretched" in " ".join(result.record["messages"])
    assert result.generated.max() <= 20


def test_a_size_beside_an_image_to_start_from_is_not_left_out_in_silence(model: str) -> None:
    like = generate(model=model, number=1, size=64, width=96).generated
    result = generate(model=model, like=like, number=1, size=80)
    assert result.generated.shape == (64, 96)
    assert "64 × 96 pixels, not 80 × 80" in " ".join(result.record["messages"])
    assert "size of the image" not in " ".join(generate(model=model, like=like, number=1).record["messages"])


def test_a_mask_is_filled_and_the_rest_stays_bit_for_bit(model: str) -> None:
    like = generate(model=model, number=1, size=70, seed=4).generated
    mask = np.zeros((70, 70), np.uint8)
    mask[20:50, 30:60] = 3
    filled = generate(model=model, like=like, mask=mask, number=2, seed=11).generated
    np.testing.assert_array_equal(filled[:, mask == 0], np.stack([like[mask == 0]] * 2))
    assert np.abs(filled[0] - like)[mask > 0].mean() > 1
    assert np.abs(filled[0] - filled[1])[mask > 0].mean() > 1


# What is refused, in a sentence, with nothing left behind

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"size": 63}, "size must be at least 64"),
    ({"class_": "nuclei"}, "knows no class 'nuclei'; choose one of microtubules, mitochondria"),
    ({"class_": "microtubules:0"}, "weights above 0"),
    ({"class_": "microtubules:1,nuclei:1"}, "knows no class 'nuclei'"),
    ({"density": 0.7}, "densities from 0.1 to 0.5 .share of bright pixels., not 0.7"),
    ({"guidance": 2.0}, "Guidance needs a class"),
    ({"number": 1, "other_seed": 2}, "at least 2 images"),
    ({"mode": "as-published"}, "no published sampler"),
    ({"mask": np.ones((64, 64))}, "give the image as well"),
    ({"strength": 0.5}, "give the image as well"),
    ({"like": np.ones((64, 64)), "mask": np.ones((64, 65))}, "mask is 64 × 65 pixels, the image to fill 64 × 64"),
    ({"like": np.ones((64, 64)), "mask": np.zeros((64, 64))}, "mask is empty"),
    ({"like": np.ones((2, 64, 64))}, "has 2 planes; give a single plane"),
    ({"like": np.ones((32, 64))}, "needs at least 64"),
    ({"like": np.full((64, 64), np.nan)}, "no numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "said"), REFUSED)
def test_what_cannot_be_made_is_refused(model: str, wish: dict[str, Any], said: str) -> None:
    with pytest.raises(DiffuscopeError, match=said) as refused:
        generate(**{"model": model, "size": 64, **wish})
    assert len(str(refused.value)) <= 300


def test_a_model_without_classes_or_with_a_window_says_so(plain: str, windowed: str) -> None:
    assert generate(model=plain, number=1, size=64).specs["generated"].spec.units == ("pixel", "pixel")
    with pytest.raises(DiffuscopeError, match="knows no classes, so it cannot make 'microtubules'"):
        generate(model=plain, class_="microtubules")
    with pytest.raises(DiffuscopeError, match="knows no density"):
        generate(model=plain, density=0.2)
    with pytest.raises(DiffuscopeError, match="images of 128 pixels and more"):
        generate(model=write_windowed(Path(windowed).parent / "wide", 128), size=100)


@pytest.mark.parametrize(
    ("model_name", "said"),
    [("restoration-fluorescence", "for restoration, not for generating"), ("nothing-such", "nothing-such")],
)
def test_models_of_other_kinds_are_refused(model_name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match=said):
        generate(model=model_name)


def test_a_generator_of_volumes_says_so(model: str, tmp_path: Path) -> None:
    from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
    from tests.tiny import write_local

    from .generators import CARD

    config = LocalUNetConfig(
        dims=3, condition_channels=0, widths=(8,), encoder_blocks=(1,), decoder_blocks=(), stem=(1, 2, 2)
    )
    folder = write_local(tmp_path / "volumes", CARD, LocalUNet(config), axes="ZYX", size=(8, 64, 64))
    with pytest.raises(DiffuscopeError, match="makes volumes; here single planes are made"):
        generate(model=folder)


@pytest.mark.parametrize(
    "words",
    [
        ("--class", "nuclei"),
        ("--size", "63"),
        ("--density", "5"),
        ("--mode", "as-published"),
        ("--mask", "mask.tif"),
        ("--like", "like.tif", "--mask", "mask.tif"),
    ],
)
def test_a_refused_command_leaves_nothing_behind(
    model: str, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import tifffile

    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    tifffile.imwrite("like.tif", np.ones((64, 64), np.float32))
    tifffile.imwrite("mask.tif", np.ones((65, 64), np.uint8))
    assert called("generate", tmp_path / "out.tif", "--model", model, *words) in (1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert len(capsys.readouterr().err.strip()) > 20


def test_a_full_disk_ends_in_a_sentence(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def full(path: Any, size: int) -> None:
        raise DiffuscopeError("There is no room on the disk.")

    monkeypatch.setattr("napari_diffuscope.imaging.blocks.tiff_sink.check_room", full)
    assert called("generate", tmp_path / "out.tif", "--model", model, "--size", 64) == 1
    assert "no room on the disk" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_to_chance_of_torch(model: str) -> None:
    torch.manual_seed(1)
    first = generate(model=model, number=1, size=64).generated
    torch.manual_seed(2)
    np.testing.assert_array_equal(generate(model=model, number=1, size=64).generated, first)


def test_a_published_checkpoint_makes_images_of_one_channel(tmp_path: Path) -> None:
    from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig

    published = OpenAIUNetConfig(
        model_channels=64,
        channel_multipliers=(1, 1, 2, 2, 2),
        res_blocks=1,
        scale_shift_norm=True,
        attention_downsampling=(8, 16),
        heads=4,
    )
    torch.manual_seed(0)
    network = OpenAIUNet(published)
    torch.nn.init.normal_(network.out[2].weight, std=0.01)
    torch.save(network.state_dict(), tmp_path / "ema_0.9999_030000.pt")
    words = ("--model", tmp_path / "ema_0.9999_030000.pt", "--number", 1, "--size", 128, "--steps", 2, "-q")
    assert called("generate", tmp_path / "out.tif", *words) == 0
    image = open_image(tmp_path / "out.tif")
    assert image.shape == (128, 128)
    assert image.data[:].std() > 0.01


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that carries its training images: some are the very ones that it makes."""
    folder = write_generator(tmp_path_factory.mktemp("models") / "copying")
    made = generate(model=str(folder), number=14, size=64).generated
    carry_training(folder, list(made[:3]), list(made[4:]))
    carry_real(folder, made[4:12], made[:10])
    return str(folder)


def test_images_that_are_copies_of_the_training_are_told(copying: str, tmp_path: Path) -> None:
    result = generate(model=copying, number=4, size=64)
    scores = result.record["scores"]
    assert [one["flagged"] for one in scores] == [True, True, True, False]
    assert [one["nearest"] for one in scores[:3]] == ["field 0", "field 1", "field 2"]
    assert min(one["score"] for one in scores[:3]) > 0.98 > 0.9 > scores[3]["score"]
    assert any("3 of 4 images (number 0, 1, 2)" in said for said in result.record["messages"])
    new = generate(model=copying, number=1, size=64, seed=77).record["scores"]
    assert new[0]["score"] < 0.9


def test_a_set_that_is_nearer_to_the_training_without_one_copy_is_told_in_both_sentences(
    tmp_path: Path,
) -> None:
    folder = write_generator(tmp_path / "near")
    training = list(generate(model=str(folder), number=12, size=64, seed=5, spacing="time").generated)
    carry_training(
        folder, training, [0.1 * image + 1 for image in training]
    )  # alike in shape, not in brightness
    result = generate(model=str(folder), number=8, size=64, spacing="time")
    assert result.record["card"]["copies"]["flagged"] == []
    words = result.record["card"]["words"]
    assert words[0].startswith("None of 8 images is more like a training image")
    assert words[1].startswith("As a whole the 8 images are nearer to the training than real images are")
    assert words[1] in result.record["messages"]


def test_scores_lie_in_the_file_and_of_large_images_a_part_is_compared(copying: str, tmp_path: Path) -> None:
    from napari_diffuscope.imaging.tiff import read_record

    assert called("generate", tmp_path / "a.tif", "--model", copying, "--number", 2, "--size", 64, "-q") == 0
    record = read_record(tmp_path / "a.tif")
    assert record is not None
    assert [one["number"] for one in record["scores"]] == [0, 1]
    large = generate(model=copying, number=1, size=320, steps=1)
    assert [one["number"] for one in large.record["scores"]] == [0]
    assert large.record["statistic"] is None  # the nearest of many windows is nearer than one
    assert large.value.windows == MOST_WINDOWS < 25


@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_images_of_a_stopped_run_are_judged_when_it_goes_on(copying: str, tmp_path: Path, name: str) -> None:
    settings = GenerateSettings(model=copying, number=4, size=64, batch=2)

    def stop(update: Any) -> None:
        if update.done >= 8:
            raise KeyboardInterrupt

    files = {"generated": tmp_path / name}
    with pytest.raises(KeyboardInterrupt):
        run(files_job(GENERATE, {}, settings, files), stop)
    resumed = run(files_job(GENERATE, {}, settings, files)).record
    whole = generate(settings=settings).record
    assert [one["number"] for one in resumed["scores"]] == [0, 1, 2, 3]
    assert resumed["scores"] == whole["scores"]
    assert resumed["card"] == whole["card"]


def test_every_run_says_whether_its_images_are_copies_and_like_real_ones(copying: str) -> None:
    record = generate(model=copying, number=8, size=64, class_="microtubules").record
    card = record["card"]
    assert card["copies"]["compared"] == 8
    assert card["copies"]["share"] == pytest.approx(len(card["copies"]["flagged"]) / 8)
    assert len(card["copies"]["closest"]) == 5
    made, floor, kept = (
        card["realism"][name] for name in ("generated", "real, of the training", "real, kept out")
    )
    assert made["kernel_low"] <= made["kernel"] <= made["kernel_high"]
    assert made["filled"] > 0
    assert kept["images"] == 8
    assert floor["images"] == 10
    assert any("Distance from real images" in sentence for sentence in card["words"])
    few = generate(model=copying, number=2, size=64).record["card"]
    assert few["realism"] == {}
    assert "8 of its own size are the fewest" in " ".join(few["words"])
    assert json.loads(json.dumps(card)) == card


def test_the_card_is_a_page_with_pictures_and_its_numbers_beside_it(copying: str, tmp_path: Path) -> None:
    words = ("--model", copying, "--number", 8, "--size", 64, "--quiet")
    assert called("generate", tmp_path / "a.tif", *words, "--card", tmp_path / "card.html") == 0
    page = (tmp_path / "card.html").read_text(encoding="utf-8")
    numbers = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    assert page.count("data:image/png;base64,") == 10  # the five closest, and what they are like
    assert "Are they like real images?" in page
    assert all(escape(sentence) in page for sentence in numbers["words"])
    assert numbers["copies"]["compared"] == 8


@pytest.mark.parametrize("name", ["card.txt", "there.html", "a.html/b.html", "no/such.html"])
def test_a_card_that_cannot_be_written_is_refused_at_once(
    copying: str, tmp_path: Path, name: str, capsys: Any
) -> None:
    (tmp_path / "there.html").write_text("mine")
    assert called("generate", tmp_path / "a.tif", "--model", copying, "--card", tmp_path / name) in (1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["there.html"]
    assert (tmp_path / "there.html").read_text() == "mine"
    assert len(capsys.readouterr().err.strip()) > 20


def test_a_model_that_carries_nothing_gives_no_card_and_says_so(
    model: str, tmp_path: Path, capsys: Any
) -> None:
    words = ("--model", model, "--number", 1, "--size", 64, "--card", tmp_path / "card.html")
    assert called("generate", tmp_path / "a.tif", *words) == 0
    assert "no card, for the model carries nothing" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_damaged_description_of_real_images_is_told(copying: str, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(copying, folder)
    (folder / REAL_IMAGES_FILE).write_bytes(b"PK not an archive")
    with pytest.raises(DiffuscopeError, match=REAL_IMAGES_FILE):
        generate(model=str(folder), number=1, size=64)
