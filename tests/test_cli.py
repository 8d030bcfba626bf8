"""The command line: defaults and numbers of Python, files complete or absent, errors in one sentence."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import __version__, restore
from napari_diffuscope.cli import main
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.tiff import read_record
from napari_diffuscope.jobs import Update
from napari_diffuscope.methods import evaluation, storing
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import MODES, RestoreSettings
from napari_diffuscope.methods.shape.settings import DEFAULT_SHAPE_MODEL
from napari_diffuscope.methods.storing import FileDestination
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from tests.recipes import small_recipe
from tests.signals import LISTEN
from tests.tiny import SMALL, tiny_network, write_local

PIXEL = 0.108
Z_STEP = 0.3


SMALL_RECIPE = small_recipe()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's model folder with one tiny model, called as the default one."""
    network = tiny_network(**{**SMALL, "widths": (8, 16)}, gain=0.7)
    card = ModelCard(
        name="",
        title="Tiny",
        purpose="Tests the command line.",
        task="restoration",
        network=NetworkSpec("local-unet", {}),
        diffusion=DiffusionSpec("v", ScheduleSpec("continuous-cosine", 0.2), steps=2),
        pixel_size=(0.05, 0.3),
        licence="BSD-3-Clause",
        citation=("Someone et al. 2026",),
    )
    folder = tmp_path_factory.mktemp("models")
    write_local(folder / RestoreSettings().model, card, network)
    return folder


@pytest.fixture(autouse=True)
def _use_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(models))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A noisy stack ``(Z, Y, X)`` as an OME-TIFF with pixel sizes."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:40, :52]
    signal = 200 + 150 * np.sin(x / 5) * np.cos(y / 7)
    data = random.poisson(np.stack([signal * f for f in (0.5, 1.0, 0.8)])).astype(np.uint16)
    path = tmp_path / "stack.ome.tif"
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": PIXEL,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": PIXEL,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": Z_STEP,
        "PhysicalSizeZUnit": "µm",
    }
    tifffile.imwrite(path, data, metadata=metadata)
    return path


def run_command(*arguments: str | Path) -> int:
    """Exit code of the command line."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def settings_of(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> RestoreSettings:
    """Settings that ``restore`` understands from its arguments."""
    seen: list[RestoreSettings] = []

    class Looked(FileDestination):
        def __init__(self, method: Any, inputs: Any, settings: RestoreSettings, *_: Any, **how: Any) -> None:
            seen.append(settings)
            raise DiffuscopeError("Nothing is restored here.")

    monkeypatch.setattr(storing, "FileDestination", Looked)
    assert run_command("restore", *arguments) == 1
    return seen[0]


# --- what is written ---


def test_the_real_command_restores_a_real_file(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "restored.ome.tif"
    command = [sys.executable, "-m", "napari_diffuscope", "restore", str(stack), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr
    assert str(out) in done.stderr
    with tifffile.TiffFile(out) as tif:
        assert tif.series[0].axes == "ZYX"
        assert (tif.series[0].shape, tif.series[0].dtype) == ((3, 40, 52), np.float32)
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    assert pixels["PhysicalSizeX"] == pytest.approx(PIXEL)
    assert pixels["PhysicalSizeZ"] == pytest.approx(Z_STEP)
    assert pixels["PhysicalSizeXUnit"] == "µm"


def test_numbers_are_those_of_python(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    assert (
        run_command("restore", stack, out, "--mode", "sample", "--seed", "7", "--steps", "2", "--quiet") == 0
    )
    expected = restore(tifffile.imread(stack), axes="ZYX", mode="sample", seed=7, steps=2)
    np.testing.assert_array_equal(tifffile.imread(out), expected.restored)


def test_a_mean_comes_with_its_deviation(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "mean.ome.tif"
    assert (
        run_command("restore", stack, out, "--mode", "mean", "--samples", "2", "--planes", "1", "--quiet")
        == 0
    )
    deviation = tifffile.imread(tmp_path / "mean_deviation.ome.tif")
    assert deviation.shape == tifffile.imread(out).shape
    assert (deviation >= 0).all()
    assert deviation.max() > 0
    assert read_record(out)["output"] == "restored"
    assert read_record(tmp_path / "mean_deviation.ome.tif")["output"] == "deviation"


def test_the_deviation_goes_where_it_is_told(stack: Path, tmp_path: Path) -> None:
    options = ["--mode", "mean", "--samples", "2", "--crop", "0:16,0:16", "--planes", "0", "--quiet"]
    assert run_command("restore", stack, tmp_path / "m.tif", "--deviation", tmp_path / "d.tif", *options) == 0
    assert {path.name for path in tmp_path.glob("*.tif")} == {"stack.ome.tif", "m.tif", "d.tif"}


def test_samples_become_an_axis(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.tif"
    assert (
        run_command(
            "restore", stack, out, "--mode", "samples", "--samples", "2", "--planes", "0:2", "--quiet"
        )
        == 0
    )
    samples = tifffile.imread(out)
    assert samples.shape == (2, 2, 40, 52)
    assert not np.array_equal(samples[0], samples[1])


def test_planes_and_crop_cut_out_what_the_whole_would_be(stack: Path, tmp_path: Path) -> None:
    assert run_command("restore", stack, tmp_path / "all.tif", "--quiet") == 0
    chosen = ["--planes", "1", "--crop", "4:20,8:40"]
    assert run_command("restore", stack, tmp_path / "part.tif", *chosen, "--quiet") == 0
    whole = tifffile.imread(tmp_path / "all.tif")
    part = np.squeeze(tifffile.imread(tmp_path / "part.tif"))
    np.testing.assert_allclose(part, whole[1, 4:20, 8:40], rtol=1e-5)


def test_the_record_is_in_the_file_and_in_json(stack: Path, tmp_path: Path) -> None:
    out, record_file = tmp_path / "out.tif", tmp_path / "record.json"
    assert run_command("restore", stack, out, "--seed", "3", "--json", record_file, "--quiet") == 0
    record = json.loads(record_file.read_text(encoding="utf-8"))
    assert record["settings"] == replace(RestoreSettings(), seed=3).to_dict()
    assert record["plugin"] == __version__
    assert record["input"]["source"] == str(stack)
    assert record["planes_done"] == [0, 1, 2]
    assert read_record(out) == {**record, "output": "restored"}


def test_json_on_stdout_is_json_alone(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("restore", stack, tmp_path / "out.tif", "--planes", "0", "--json", "-") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["method"] == "restore"
    assert "Restoring stack" in captured.err


# --- again ---


def test_a_result_can_be_repeated(stack: Path, tmp_path: Path) -> None:
    options = ["--mode", "sample", "--seed", "5", "--axes", "TYX", "--crop", "0:32,4:36", "--quiet"]
    assert run_command("restore", stack, tmp_path / "one.tif", *options) == 0
    assert run_command("repeat", tmp_path / "one.tif", tmp_path / "two.tif", "--quiet") == 0
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "one.tif"), tifffile.imread(tmp_path / "two.tif")
    )

    moved = stack.rename(tmp_path / "moved.ome.tif")
    assert run_command("repeat", tmp_path / "one.tif", tmp_path / "three.tif", "--quiet") == 1
    assert (
        run_command("repeat", tmp_path / "one.tif", tmp_path / "three.tif", "--input", moved, "--quiet") == 0
    )
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "one.tif"), tifffile.imread(tmp_path / "three.tif")
    )


def test_what_has_no_record_cannot_be_repeated(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("repeat", stack, tmp_path / "out.tif") == 1
    assert "no record" in capsys.readouterr().err


def test_other_weights_are_no_repetition(
    stack: Path,
    tmp_path: Path,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = RestoreSettings().model
    assert run_command("restore", stack, tmp_path / "one.tif", "--planes", "0", "--quiet") == 0
    shutil.copytree(models / name, tmp_path / "others" / name)
    card = tmp_path / "others" / name / "model.json"
    card.write_text(re.sub(r'"sha256": "[0-9a-f]', '"sha256": "!', card.read_text()).replace("!", "0"))
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "others"))
    assert run_command("repeat", tmp_path / "one.tif", tmp_path / "two.tif", "--quiet") == 1
    assert "other weights" in capsys.readouterr().err


# --- settings ---


def test_defaults_are_those_of_the_window(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_of(monkeypatch, stack, tmp_path / "out.tif") == RestoreSettings()


@pytest.mark.parametrize(
    "settings",
    [
        *(RestoreSettings(mode=mode, samples=3) for mode in MODES),
        RestoreSettings(model="/some where/model's folder", seed=2**40, steps=5, strength=0.25),
        RestoreSettings(planes=(3, 4, 9), crop=(10, 200, 5, 90), rgb="channels"),
        RestoreSettings(planes=(0,), device="cuda:1", tile=256, batch=4),
    ],
    ids=lambda settings: command_line(RESTORE, ["in"], "out", settings)[26:60],
)
def test_the_copied_command_means_the_same_settings(
    settings: RestoreSettings, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(command_line(RESTORE, [str(stack)], str(tmp_path / "out.tif"), settings))
    assert words[:2] == ["diffuscope", "restore"]
    assert settings_of(monkeypatch, *words[2:]) == settings


@pytest.mark.parametrize(
    ("text", "planes"),
    [("3", (3,)), ("0,4", (0, 4)), ("2:7", (2, 3, 4, 5, 6)), (" 5 , 0:2,1", (5, 0, 1))],
)
def test_planes_are_read(
    text: str, planes: tuple[int, ...], stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_of(monkeypatch, stack, tmp_path / "out.tif", "--planes", text).planes == planes


# --- what goes wrong ---


@pytest.mark.parametrize(
    "options",
    [
        ["--planes", "a"],
        ["--planes", "7:2"],
        ["--planes", "1,"],
        ["--crop", "0:5"],
        ["--crop", "5:5,0:3"],
        ["--crop", "0:-5,0:3"],
        ["--mode", "nice"],
        ["--samples", "0"],
        ["--strength", "1.5"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(options: list[str], stack: Path, tmp_path: Path) -> None:
    assert run_command("restore", stack, tmp_path / "out.tif", *options) == 2
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.tif", "out.tif"], ["nowhere.tif"]),
        (["stack.ome.tif", "out.png"], ["out.png", ".tif"]),
        (["stack.ome.tif", "no/such/folder/out.tif"], ["folder"]),
        (["stack.ome.tif", "there.tif"], ["there.tif", "--overwrite"]),
        (["stack.ome.tif", "stack.ome.tif", "--overwrite"], ["stack.ome.tif", "input"]),
        (["stack.ome.tif", "out.tif", "--mode", "mean", "--deviation", "out.tif"], ["Two results"]),
        (["stack.ome.tif", "out.tif", "--json", "out.tif"], ["Two results"]),
        (["stack.ome.tif", "out.tif", "--json", "there.tif"], ["there.tif", "--overwrite"]),
        (["stack.ome.tif", "out.tif", "--deviation", "d.tif"], ["no deviation", "leave out --deviation"]),
        (["stack.ome.tif", "out.tif", "--planes", "3"], ["Plane 3"]),
        (["stack.ome.tif", "out.tif", "--crop", "0:400,0:10"], ["0:400"]),
        (["stack.ome.tif", "out.tif", "--model", "other"], ["other", RestoreSettings().model]),
        (["stack.ome.tif", "out.tif", "--device", "abacus"], ["abacus", "cpu"]),
        (["stack.ome.tif", "out.tif", "--mode", "mean", "--samples", "1"], ["at least 2"]),
        (["stack.ome.tif", "out.tif", "--mode", "as-published"], ["published"]),
        (["stack.ome.tif", "out.tif", "--axes", "ZZYX"], ["ZZYX"]),
    ],
    ids=lambda value: " ".join(value[1:]),
)
def test_a_mistake_is_one_sentence_and_leaves_no_file(
    arguments: list[str],
    words: list[str],
    stack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.tif").write_bytes(b"precious")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    assert run_command("restore", *arguments, "--quiet") == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("diffuscope: ")
    assert said.endswith(".")
    assert "\n" not in said
    assert all(word in said for word in words), said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_what_does_nothing_in_a_mode_is_said(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run_command("restore", stack, tmp_path / "out.tif", "--planes", "0", "--steps", "3", "--quiet") == 0
    )
    assert "steps (--steps) counts in the modes sample" in (said := capsys.readouterr().err)
    assert "does nothing in 'estimate'" in said
    assert said.count("Note: ") == 1


def test_overwrite_replaces(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    out.write_bytes(b"old")
    assert run_command("restore", stack, out, "--planes", "0", "--overwrite", "--quiet") == 0
    assert tifffile.imread(out).size == 40 * 52


@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_what_was_stopped_goes_on_to_the_same_bits(
    stack: Path,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop_at_the_second_plane(job: Any, on_update: Any) -> Any:
        for update in job:
            if update.final:
                raise KeyboardInterrupt
        raise AssertionError("the job ended before it was stopped")

    words = ["--mode", "sample", "--steps", "2", "--quiet"]
    assert run_command("restore", stack, tmp_path / f"whole_{name}", *words) == 0
    with monkeypatch.context() as stopping:
        stopping.setattr(storing, "run", stop_at_the_second_plane)
        assert run_command("restore", stack, tmp_path / name, *words) == 130
    assert not (tmp_path / name).exists()
    assert "goes on from here" in capsys.readouterr().err
    estimate, planes = evaluation.Model.estimate, []
    monkeypatch.setattr(evaluation.Model, "estimate", lambda *words: (planes.append(1), estimate(*words))[1])
    assert run_command("restore", stack, tmp_path / name, *words) == 0
    whole, again = (open_image(tmp_path / each) for each in (f"whole_{name}", name))
    assert np.array_equal(np.asarray(whole.data), np.asarray(again.data))
    assert len(planes) == 2 * (whole.plane_count - 1), "the finished plane was not made again"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently on Windows")
def test_ctrl_c_stops_the_real_command(stack: Path, tmp_path: Path) -> None:
    import signal

    out = tmp_path / "out.tif"
    command = [sys.executable, "-m", "napari_diffuscope", "restore", str(stack), str(out)]
    command += ["--mode", "samples", "--samples", "5000", "--planes", "0"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=LISTEN
    )
    assert process.stderr is not None
    while "%" not in (line := process.stderr.readline()):  # then it computes and its files are open
        assert line, "it ended before it began"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["stack.ome.tif"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently on Windows")
def test_ctrl_c_is_no_fault_of_the_library_that_it_interrupts() -> None:
    import signal

    from napari_diffuscope.cli.signals import Stopped, stoppable

    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # what runs in the background may ignore it

    def interrupted() -> None:
        with stoppable():
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException as error:
                raise RuntimeError("could not determine the shape") from error

    try:
        with pytest.raises(Stopped) as stopped:
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.value.number == signal.SIGINT


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently on Windows")
def test_a_second_ctrl_c_when_the_command_is_over_changes_nothing(tmp_path: Path) -> None:
    late = (
        "import atexit, os, signal, sys\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        f"sys.argv = ['diffuscope', 'restore', {str(tmp_path / 'none.tif')!r}, {str(tmp_path / 'out.tif')!r}]\n"
        "from napari_diffuscope.cli import program\n"
        "program()\n"
    )
    command = [sys.executable, "-c", late]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, preexec_fn=LISTEN
    )
    assert done.returncode == 1, done.stderr
    assert "none.tif" in done.stderr
    assert "KeyboardInterrupt" not in done.stderr


# --- progress ---


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def updates() -> list[Update]:
    return [
        Update(0, 0, "Loading"),
        *(Update(done, 40) for done in range(20)),
        Update(20, 40, "Less memory than planned: smaller tiles.", warning=True),
        Update(21, 80, "Less memory than planned: smaller tiles.", warning=True),
        *(Update(done, 80) for done in range(21, 81)),
    ]


def test_without_a_terminal_progress_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    with show_progress("work", stream=stream) as on_update:
        for update in updates():
            on_update(update)
    lines = stream.getvalue().splitlines()
    assert 5 <= len(lines) <= 14
    assert lines[-1] == "work: 100% (80 of 80)"
    assert sum("Less memory" in line for line in lines) == 1
    assert any(line.endswith("left") for line in lines)


def test_a_log_has_a_few_lines_however_much_a_job_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("napari_diffuscope.cli.progress.monotonic", lambda: now)
    stream = io.StringIO()
    with show_progress("work", stream=stream) as on_update:
        for step in range(60):  # at half a second each
            on_update(Update(0, 0, f"Adapting to this image: step {step} of 60"))
            now += 0.5
    lines = stream.getvalue().splitlines()
    assert [line.split(": ")[-1] for line in lines] == [f"step {step} of 60" for step in (0, 20, 40)]
    names = [chr(97 + number % 26) + chr(97 + number // 26) for number in range(500)]
    with show_progress("work", stream=stream) as on_update:
        for number, name in enumerate(names):
            on_update(Update(0, 0, f"{name}.tif ({number} of 500): Measuring intensities"))
            on_update(Update(number, 500, f"{name}.tif is done", warning=number == 400))
    text = stream.getvalue()
    assert len(text.splitlines()) < 60
    assert "Note: " + names[400] in text, "what must be known is always said"


def test_on_a_terminal_progress_is_a_bar() -> None:
    stream = Terminal()
    with show_progress("work", stream=stream) as on_update:
        for update in updates():
            on_update(update)
    assert stream.getvalue().count("Note: Less memory than planned") == 1
    assert "work" in stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_quiet_shows_warnings_alone(stream: io.StringIO) -> None:
    with show_progress("work", quiet=True, stream=stream) as on_update:
        for update in updates():
            on_update(update)
    assert stream.getvalue() == "Note: Less memory than planned: smaller tiles.\n"


# --- the other commands ---


HELPED = """
import json, sys
from napari_diffuscope.cli import main

def helped(*words):
    try:
        main([*words, "--help"])
    except SystemExit as stop:
        assert not stop.code, words
    return [name for name in sys.argv[1:] if name in sys.modules]

loaded = {words: helped(*words.split()) for words in json.load(sys.stdin)}
print(json.dumps(loaded))
"""
"""The help of commands, one after the other, and which of the named modules are loaded after each."""

UNASKED = (
    *("torch", "scipy", "skimage", "dask", "zarr", "psutil", "urllib.request", "napari", "qtpy"),
    *("napari_diffuscope.training", "napari_diffuscope.evaluate", "napari_diffuscope.comparison"),
)
"""What takes long to load, and what other commands are made of."""


def helped(*commands: str) -> tuple[str, dict[str, list[str]]]:
    """What a fresh process prints as the help of commands, and which of the modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", HELPED, *UNASKED],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed, _, loaded = done.stdout.rstrip().rpartition("\n")
    return printed, json.loads(loaded)


def test_help_loads_nothing_that_it_does_not_need() -> None:
    printed, loaded = helped("restore")
    assert loaded == {"restore": []}
    assert all(f"--{name.replace('_', '-')}" in printed for name in RestoreSettings().to_dict())


def test_the_help_of_no_command_loads_what_computes() -> None:
    commands = [
        *METHODS,
        "pairs",
        "repeat",
        "models",
        "compare",
        "samples",
        "devices",
        "train",
        "evaluate",
        "",
    ]
    printed, loaded = helped(*commands)
    assert list(loaded) == commands
    assert {name for names in loaded.values() for name in names if "diffuscope" not in name} == set()
    overview = printed[printed.rindex("Usage: ") :]
    assert [command for command in commands[:-1] if f"\u2502 {command} " not in overview] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_models_are_listed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("models", "list") == 0
    captured = capsys.readouterr()
    assert RestoreSettings().model in captured.out
    assert "0.05–0.3 µm" in captured.out
    assert str(models) in captured.err


def test_models_of_a_task_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("models", "list", "--task", "restoration", "--json") == 0
    assert RestoreSettings().model in [card["name"] for card in json.loads(capsys.readouterr().out)]
    assert run_command("models", "list", "--task", "shape", "--json", "--at-hand") == 0
    assert [card["name"] for card in json.loads(capsys.readouterr().out)] == [DEFAULT_SHAPE_MODEL]


def test_a_model_is_described_by_name_and_by_path(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("models", "info", RestoreSettings().model) == 0
    by_name = capsys.readouterr().out
    assert run_command("models", "info", models / RestoreSettings().model) == 0
    assert capsys.readouterr().out == by_name
    assert all(
        word in by_name
        for word in ("Tests the command line.", "BSD-3-Clause", "Someone et al. 2026", "local-unet")
    )


def test_an_unknown_model_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("models", "info", "nonesuch") == 1
    assert "nonesuch" in capsys.readouterr().err


def test_samples_are_copied_and_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "samples"
    assert run_command("samples", folder) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.name for path in written} >= {"pair_noisy.ome.tif", "pair_clean.ome.tif", "README.md"}
    noisy, clean = (tifffile.imread(folder / f"pair_{name}.ome.tif") for name in ("noisy", "clean"))
    assert noisy.shape == clean.shape

    (folder / "README.md").write_text("mine")
    assert run_command("samples", folder) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "README.md").read_text() == "mine"
    assert run_command("samples", folder, "--overwrite") == 0
    assert (folder / "README.md").read_text() != "mine"


def test_a_recipe_becomes_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL_RECIPE)
    assert run_command("train", "small.toml", "--device", "cpu", "--workers", "0") == 0
    assert "runs/small/small" in capsys.readouterr().out.replace("\\", "/")
    assert run_command("models", "info", "runs/small/small") == 0
    assert "Small" in capsys.readouterr().out

    assert run_command("train", "small.toml", "--workers", "0", "--quiet") == 1
    assert "--resume" in capsys.readouterr().err
    more = ["train", "small.toml", "--resume", "--steps", "3", "--workers", "0", "--quiet"]
    assert run_command(*more) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert run_command(*more, "--overwrite") == 0
    assert json.loads(Path("runs/small/small/model.json").read_text())["training"]["steps"] == 3


def test_devices_end_with_the_processor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("devices", "--names") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "cpu"
    assert run_command("devices") == 0
    described = capsys.readouterr().out
    assert described.count("(auto)") == 1
    assert "GiB free" in described
