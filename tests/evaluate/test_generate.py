"""The evaluation of generators says what is near to real images, what is a copy, and what it is worth to train on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from napari_diffuscope import DiffuscopeError, generate
from napari_diffuscope.cli.app import make_app
from napari_diffuscope.evaluate.generate.realism import realism_rows
from napari_diffuscope.evaluate.generate.settings import GENERATE, GenerateEvaluationSettings
from napari_diffuscope.evaluate.generate.usefulness import UNSEEN, Arm, Pairs, arms_of, measured, trained
from napari_diffuscope.evaluate.harness import evaluation_job
from napari_diffuscope.jobs import run
from napari_diffuscope.measure.filaments import filament_density, filament_width, spot_density
from napari_diffuscope.measure.memorisation import Memorisation
from napari_diffuscope.measure.training_images import read_training_images
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.training.generate.fields import Field, Fields
from napari_diffuscope.training.generate.known import training_images
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec, read_card
from napari_diffuscope.weights.card_parts import ValueScale
from napari_diffuscope.weights.catalogue import find_model
from napari_diffuscope.weights.folder import write_folder
from napari_diffuscope.weights.place import TRAINING_IMAGES_FILE


def threads(seed: int, edge: int = 96, width: float = 1.5) -> np.ndarray:
    """Straight threads at random places and angles."""
    rng, image = np.random.default_rng(seed), np.zeros((edge, edge))
    y, x = np.indices((edge, edge))
    for _ in range(5):
        angle, place = rng.uniform(0, np.pi), rng.uniform(-edge / 3, edge / 3)
        away = (y - edge / 2) * np.sin(angle) + (x - edge / 2) * np.cos(angle) - place
        image += np.exp(-(away**2) / (2 * width**2))
    return np.clip(image, 0, 2).astype(np.float32)


def noise(seed: int, edge: int = 96) -> np.ndarray:
    values = gaussian_filter(np.random.default_rng(seed).standard_normal((edge, edge)), 1.5)
    return np.clip(values / values.std(), 0, 2).astype(np.float32)


def test_width_and_filling_of_threads_are_measured() -> None:
    image = np.zeros((100, 100))
    image[:, 30:36] = 1
    assert filament_width(image) * np.pi / 4 == pytest.approx(6, rel=0.01)
    assert filament_density(image) == pytest.approx(0.06)
    slanting = threads(3, width=2.0)
    assert filament_width(threads(3, width=4.0)) > 1.5 * filament_width(slanting)
    spots = np.zeros((100, 100))
    spots[10::20, 10::20] = 1
    assert spot_density(gaussian_filter(spots, 1.5)) == pytest.approx(25)
    assert np.isnan(filament_width(np.zeros((20, 20))))


def test_images_of_the_same_kind_are_nearer_than_others() -> None:
    kept = np.stack([threads(n) for n in range(24)])
    sets = {
        "same": np.stack([threads(100 + n) for n in range(24)]),
        "other": np.stack([noise(n) for n in range(24)]),
    }
    rows = {row["set"]: row for row in realism_rows("threads", kept, sets, seed=0)}
    assert rows["kept out"]["spectrum_db"] == pytest.approx(0, abs=1e-9)
    for name in ("kernel", "frechet", "spectrum_mean_db"):
        assert rows["same"][name] < 0.5 * rows["other"][name], name
    assert rows["same"]["kernel_low"] < rows["same"]["kernel"] < rows["same"]["kernel_high"]


def test_a_network_learns_from_what_it_is_shown_and_is_tested_on_whole_fields() -> None:
    fields = [Field(0, "kept", threads(50, edge=176))]
    few = trained(Arm("threads", [threads(n) for n in range(6)]), patch=32, steps=40, seed=0, pixel_um=0.02)
    none = trained(
        Arm("nothing", [np.full((96, 96), 0.5, np.float32)]), patch=32, steps=40, seed=0, pixel_um=0.02
    )
    rows, others = (measured(network, fields, pixel_um=0.02) for network in (few, none))
    assert {row["optics"] for row in rows} == set(UNSEEN)
    for row, other in zip(rows, others, strict=True):
        assert row["psnr"] > other["psnr"] + 1


def test_every_arm_of_the_protocol_is_there() -> None:
    fields = [Field(0, str(n), threads(n)) for n in range(5)]
    drawn = np.stack([threads(n) for n in range(2)])
    settings = GenerateEvaluationSettings(data="fields")
    arms = {arm.name: arm for arm in arms_of(fields, drawn, {"ours": drawn}, settings)}
    assert list(arms) == [
        "1 real",
        "3 real",
        "5 real",
        "mathematical model",
        "1 real, strong augmentation",
        "3 real, strong augmentation",
        "5 real, strong augmentation",
        "ours",
        "1 real + ours",
        "3 real + ours",
        "5 real + ours",
    ]
    assert len(arms["3 real + ours"].images) == 3
    assert len(arms["3 real + ours"].other) == 2


def test_arms_are_chosen_and_every_repeat_has_other_real_fields() -> None:
    fields = [Field(0, str(n), threads(n)) for n in range(5)]
    drawn = np.stack([threads(n) for n in range(2)])
    settings = GenerateEvaluationSettings(
        data="fields", arms=("real", "both"), real=(1,), generated_share=0.25
    )
    arms = [arms_of(fields, drawn, {"ours": drawn}, settings, repeat) for repeat in range(6)]
    assert {tuple(arm.name for arm in each) for each in arms} == {("1 real", "1 real + ours")}
    assert len({alone.images[0].tobytes() for alone, _ in arms}) > 2
    assert all(alone.images[0] is both.images[0] for alone, both in arms)
    patches = Pairs(arms[0][1], patch=32, seed=0, pixel_um=0.02)
    assert [patches.is_other(number) for number in range(8)] == 2 * [False, False, False, True]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for part, seeds in (("train", range(3)), ("validate", range(10, 12))):
        folder = tmp_path / "fields" / part / "threads"
        folder.mkdir(parents=True)
        for seed in seeds:
            tifffile.imwrite(folder / f"{seed}.tif", threads(seed, edge=176))
    return tmp_path / "fields"


@pytest.fixture
def model(data: Path) -> Path:
    """An untrained generator with the images that it should have learned from."""
    torch.manual_seed(0)
    config = LocalUNetConfig(
        condition_channels=0, widths=(8, 16), encoder_blocks=(1, 1), decoder_blocks=(1,), classes=1, numbers=4
    )
    card = ModelCard(
        name="untrained",
        title="Untrained",
        purpose="Test.",
        task="generate",
        network=NetworkSpec("local-unet", config.to_dict()),
        diffusion=DiffusionSpec("v", ScheduleSpec("continuous-cosine")),
        size=(64, 64),
        condition_channels=0,
        classes=("threads",),
        values=ValueScale(0.0, 2.0, "brightness", 2.0),
    )
    fields = Fields(
        ("threads",),
        tuple(Field(0, str(n), threads(n, edge=176)) for n in range(3)),
        tuple(Field(0, str(n), threads(n, edge=176)) for n in (10, 11)),
    )
    write_folder(
        data.parent / "untrained",
        card,
        LocalUNet(config).state_dict(),
        files={TRAINING_IMAGES_FILE: training_images(fields, 64).to_bytes()},
    )
    return data.parent / "untrained"


def test_the_command_measures_all_of_it_and_goes_on(
    data: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = data.parent / "out"
    plain = [
        "evaluate",
        "generate",
        str(data),
        "--out",
        str(out),
        "--number",
        "8",
        "--steps",
        "2",
        "--patch",
        "32",
    ]
    plain += ["--training-steps", "2", "--repeats", "1", "--quiet"]
    first = CliRunner().invoke(make_app(), plain)
    assert first.exit_code == 0, first.output
    before = (out / "usefulness.csv").read_text()
    done = CliRunner().invoke(make_app(), [*plain, "--models", str(model)])
    assert done.exit_code == 0, done.output
    report = (out / "generate.md").read_text(encoding="utf-8")
    for words in (
        "Are they copies?",
        "Are they like real images?",
        "Are they of use?",
        "| untrained | threads | 8 |",
    ):
        assert words in report
    assert (out / "usefulness.csv").read_text().startswith(before)
    with (out / "realism.csv").open() as file:
        rows = {row["set"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"kept out", "training", "mathematical model", "untrained"}
    assert float(rows["training"]["kernel"]) < float(rows["untrained"]["kernel"])
    assert len(list((out / "figures").glob("*.png"))) == 2


def test_what_cannot_be_evaluated_is_said(data: Path, model: Path) -> None:
    unknown = GenerateEvaluationSettings(data=str(data), structure="spots", parts=("usefulness",))
    with pytest.raises(DiffuscopeError, match="no class 'spots'"):
        run(evaluation_job(GENERATE, unknown, data.parent / "a"))
    other = GenerateEvaluationSettings(data=str(data), models=("restoration-fluorescence",))
    with pytest.raises(DiffuscopeError, match="no generator"):
        run(evaluation_job(GENERATE, other, data.parent / "b"))


def test_networks_whose_weights_the_user_has_are_asked_as_well(data: Path) -> None:
    from tests.measure.test_dino import weights

    torch.save(weights(), data.parent / "small.pth")
    settings = GenerateEvaluationSettings(
        data=str(data), parts=("realism",), number=8, dinov2=str(data.parent / "small.pth")
    )
    run(evaluation_job(GENERATE, settings, data.parent / "seen"))
    assert "| threads | DINOv2 | training | 8 |" in (data.parent / "seen" / "generate.md").read_text(
        encoding="utf-8"
    )
    for name, said in (
        ("dinov2", "give the weights of DINOv2"),
        ("inception", "give the weights of Inception"),
    ):
        absent = GenerateEvaluationSettings(data=str(data), **{name: "nowhere.pth"})
        with pytest.raises(DiffuscopeError, match=said):
            run(evaluation_job(GENERATE, absent, data.parent / name))


def test_the_starter_makes_images_of_its_classes_that_are_no_copies() -> None:
    place = find_model("generate-structures")
    memory = Memorisation(read_training_images(place / TRAINING_IMAGES_FILE))
    classes = read_card(place).classes
    assert memory.known.classes == classes
    filled = {}
    for structure in ("tubulin (STED)", "microtubules"):
        images = generate(number=2, size=128, class_=structure, steps=12, seed=1).generated
        filled[structure] = np.mean([filament_density(image) for image in images])
        assert not any(memory.nearest(image, label=classes.index(structure)).flagged for image in images)
    assert filled["tubulin (STED)"] > 2 * filled["microtubules"] > 0.01
