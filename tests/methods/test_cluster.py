"""Pieces made by two workers: the same bits, whatever dies, and one sentence for what is wrong."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

import napari_diffuscope
from napari_diffuscope import DiffuscopeError, Image, generate, predict_shapes, restore, superresolve
from napari_diffuscope.batches.api import run_batch
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.blocks import open_sink, partial_path, read_zarr_record
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.jobs import Update, run
from napari_diffuscope.methods.cluster import sending
from napari_diffuscope.methods.cluster.address import Address, parse_address
from napari_diffuscope.methods.cluster.connecting import environments_of, opened_team
from napari_diffuscope.methods.cluster.leader import Leader
from napari_diffuscope.methods.cluster.team import Team
from napari_diffuscope.methods.restore import adapting, judging, learning
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.running import memory_job, run_method
from napari_diffuscope.methods.storing import files_job
from tests.fuzz.models import write_restoration
from tests.methods.generators import write_generator
from tests.methods.shape_models import disc
from tests.methods.shape_models import write_tiny as write_shapes
from tests.methods.superres_models import write_tiny as write_slices
from tests.methods.toys import BRIGHTEN, BrightenSettings

PLANES = 8


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, while they start
        with opened_team("local:2") as opened:
            yield opened


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_restoration(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "stack.tif"
    pixels = np.random.default_rng(0).poisson(30, (PLANES, 40, 48)).astype(np.uint16)
    pixels[3, 10, 10] = 60000  # a hot pixel, which is told
    pixels[5] //= 10  # nothing is in this plane
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "ZYX"})
    return path


@pytest.fixture(scope="module")
def alone(source: Path, model: str) -> Any:
    """What one process makes of it."""
    return restore(source, model=model, mode="mean", samples=2, skip_below=10.0)


def address_of(team: Team) -> str:
    return str(team.client.scheduler.address)


def called(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def pixels_of(path: Path) -> np.ndarray:
    image = open_image(path)
    return np.asarray(image.data[(slice(None),) * len(image.shape)])


@pytest.mark.parametrize("ending", [".ome.zarr", ".tif"])
def test_restored_on_two_workers_bit_for_bit(
    team: Team, source: Path, model: str, alone: Any, tmp_path: Path, ending: str, capsys: Any
) -> None:
    out = tmp_path / f"out{ending}"
    words = ("--model", model, "--mode", "mean", "--samples", 2, "--skip-below", 10)
    words = (*words, "--cluster", address_of(team))
    assert called("restore", source, out, *words) == 0
    assert np.array_equal(pixels_of(out), alone.restored)
    assert np.array_equal(pixels_of(tmp_path / f"out_deviation{ending}"), alone.deviation, equal_nan=True)
    said = capsys.readouterr().err
    assert re.search(r"2 workers; dashboard: http://\S+", said)
    assert "100%" in said
    assert "Bridged for the network: 1 isolated pixel" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"out{ending}", f"out_deviation{ending}"]
    )
    if ending == ".ome.zarr":
        record = read_zarr_record(out)
        assert record is not None
        same = ("settings", "model", "intensity", "defects", "skipped", "messages", "device", "threads")
        assert {key: record[key] for key in same} == {key: alone.record[key] for key in same}
        assert sorted(record["planes_done"]) == list(range(PLANES))


def test_joined_with_neighbours_on_two_workers_bit_for_bit(
    team: Team, source: Path, model: str, tmp_path: Path
) -> None:
    here = restore(source, model=model, neighbours="z")
    out = tmp_path / "out.ome.zarr"
    words = ("--model", model, "--neighbours", "z", "--cluster", address_of(team))
    assert called("restore", source, out, *words) == 0
    assert np.array_equal(pixels_of(out), here.restored)
    record = read_zarr_record(out)
    assert record is not None
    assert record["neighbours"] == here.record["neighbours"]
    assert {"4", "6"} <= set(record["neighbours"]["left_out"]), "beside the plane in which nothing is"


@pytest.mark.parametrize("mode", ["estimate", "mean"])
def test_superresolved_on_two_workers_bit_for_bit(
    team: Team, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "stack.ome.tif", tmp_path / "out.ome.zarr"
    pixels = np.random.default_rng(0).poisson(30, (2, 3, 20, 24)).astype(np.uint16)
    metadata = {"axes": "CZYX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.4}
    tifffile.imwrite(source, pixels, ome=True, metadata=metadata)
    tiny = str(write_slices(tmp_path / "model"))
    expected = superresolve(source, model=tiny, mode=mode, samples=2, steps=2)
    small = partial(open_sink, most_bytes=4 * 4 * 8 * 24)  # as many blocks as a large volume has
    monkeypatch.setattr("napari_diffuscope.methods.storing.open_sink", small)
    words = ("--mode", mode, "--samples", 2, "--steps", 2, "--block", "4,8,24", "--cluster", address_of(team))
    assert called("superres", source, out, "--model", tiny, *words) == 0
    assert np.array_equal(pixels_of(out), expected.superresolved)
    if mode == "mean":
        assert np.array_equal(pixels_of(tmp_path / "out_deviation.ome.zarr"), expected.deviation)
    record = read_zarr_record(out)
    assert record is not None
    for mine, other in zip(record["disagreement"], expected.record["disagreement"], strict=True):
        assert mine["value"] == pytest.approx(other["value"], rel=1e-6)  # summed over other blocks
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_shapes_and_generated_images_on_two_workers(team: Team, tmp_path: Path) -> None:
    tiny = str(write_shapes(tmp_path / "shapes"))
    image = np.random.default_rng(0).normal(20, 2, (96, 96)).astype(np.float32)
    labels = (
        disc((96, 96), (24, 24), 9) * 4 + disc((96, 96), (60, 30), 10) * 7 + disc((96, 96), (2, 80), 6) * 9
    )
    chosen: dict[str, Any] = {"model": tiny, "mode": "ensemble", "samples": 2}
    here = predict_shapes(image, labels, **chosen)
    there = predict_shapes(image, labels, cluster=team.client, **chosen)
    assert [cell.label for cell in there.cells] == [cell.label for cell in here.cells] != []
    assert there.refused == here.refused != {}
    for mine, other in zip(there.cells, here.cells, strict=True):
        assert np.array_equal(mine.probability, other.probability)
        assert mine.features == other.features
        assert mine.record["settings"] == other.record["settings"]
    made: dict[str, Any] = {"model": str(write_generator(tmp_path / "images")), "number": 3, "size": 64}
    assert np.array_equal(
        generate(**made, batch=1, cluster=team.client).generated, generate(**made).generated
    )


def test_a_batch_on_two_workers(team: Team, model: str, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).poisson(30, (2, 20, 24)).astype(np.float32)
        tifffile.imwrite(raw / f"{number}.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    (raw / "broken.tif").write_bytes(b"II*\0 nothing")
    here = run_batch("restore", raw, tmp_path / "here", model=model)
    there = run_batch("restore", raw, tmp_path / "there", model=model, cluster=team.client)
    assert [(row.number, row.image, row.state) for row in there.rows] == [
        (row.number, row.image, row.state) for row in here.rows
    ]
    assert [row.image.name for row in there.of("failed")] == ["broken.tif"]
    for row in there.of("done"):
        assert row.result.read_bytes()[:4] == b"II*\0"
        assert np.array_equal(pixels_of(row.result), pixels_of(tmp_path / "here" / row.result.name))
    again = run_batch("restore", raw, tmp_path / "there", model=model, cluster=team.client)
    assert len(again.of("there already")) == 4


class Killed(BaseException):
    """As sudden as a signal: nothing catches it."""


def run_until(job: Any, blocks: int, what: Any) -> Any:
    """Run a job; do something once, when so many blocks are finished."""
    seen = 0

    def on_update(update: Update) -> None:
        nonlocal seen
        seen += update.final
        if update.final and seen == blocks:
            what()

    return run(job, on_update)


def restoring(source: Path, model: str, out: Path, team: Team | None) -> Any:
    settings = RestoreSettings(model=model, mode="mean", samples=2, skip_below=10.0)
    files = {"restored": out, "deviation": out.with_name(f"deviation_{out.name}")}
    return files_job(RESTORE, {"image": open_image(source)}, settings, files, team=team)


def test_a_stopped_run_goes_on_and_leaves_nothing_on_the_workers(
    team: Team, source: Path, model: str, alone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.ome.zarr"

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_until(restoring(source, model, out, team), 4, stop)
    assert partial_path(out).is_dir()
    assert set(team.client.run(_sessions).values()) == {0}
    given: list[int] = []
    give = Leader._give
    monkeypatch.setattr(
        Leader, "_give", lambda leader, stage, piece: (given.append(piece), give(leader, stage, piece))[1]
    )
    run(restoring(source, model, out, team))
    assert 0 < len(set(given)) <= PLANES - 2  # what is done is not made again
    assert np.array_equal(pixels_of(out), alone.restored)


def _sessions() -> int:
    from napari_diffuscope.methods.cluster import member

    return len(member._SESSIONS)


SCHEDULER = """
import asyncio
from distributed import Scheduler, Worker
async def serve():
    async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
        async with Worker(scheduler.address, nthreads=1, dashboard=False):
            print(scheduler.address, flush=True)
            await scheduler.finished()
asyncio.run(serve())
"""


def test_when_the_scheduler_is_killed_the_same_command_goes_on(
    team: Team, source: Path, model: str, alone: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out.ome.zarr"
    words = [sys.executable, "-W", "ignore", "-c", SCHEDULER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as scheduler:
        try:
            assert scheduler.stdout is not None
            address = scheduler.stdout.readline().strip()
            with (
                opened_team(address) as other,
                pytest.raises(DiffuscopeError, match="is gone; what is finished is kept"),
            ):
                run_until(restoring(source, model, out, other), 4, scheduler.kill)
        finally:
            scheduler.kill()
    assert partial_path(out).is_dir()
    run(restoring(source, model, out, team))
    assert np.array_equal(pixels_of(out), alone.restored)


def test_the_script_for_queues_runs_a_command(
    source: Path, model: str, alone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a cluster in this process instead of a queue; whatever class it takes is used alike."""
    from distributed import LocalCluster

    script = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "on_slurm.py"))
    command = ("restore", source, tmp_path / "out.ome.zarr", "--model", model, "--planes", "0:2", "--quiet")
    words = ["--jobs", "2", "--gpu", "--", *map(str, command)]
    options: dict[str, Any] = {
        "n_workers": 0,
        "threads_per_worker": 1,
        "processes": False,
        "dashboard_address": None,
    }
    options["protocol"] = "tcp://"
    with pytest.raises(SystemExit) as ended:
        script["main"](words, LocalCluster, **options)
    assert not ended.value.code
    expected = restore(source, model=model, planes=(0, 1)).restored
    assert np.array_equal(pixels_of(tmp_path / "out.ome.zarr"), expected)
    asked = script["slurm_options"](script["arguments_of"](words))
    assert asked["job_extra_directives"] == ["--gres=gpu:1"]


# What is wrong, in one sentence


def test_workers_of_another_version_or_another_model_are_refused(
    team: Team, source: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setattr(napari_diffuscope, "__version__", "9.9")
        with pytest.raises(
            DiffuscopeError, match=r"On the worker \S+: it has napari-diffuscope .*, but .* 9\.9"
        ):
            restore(source, model=model, cluster=team.client)
    with monkeypatch.context() as changed:
        changed.setattr(sending, "model_identity", lambda name: "other weights")
        with pytest.raises(DiffuscopeError, match="other weights than that of the command"):
            restore(source, model=model, cluster=team.client)


def test_files_that_workers_do_not_see_are_named(
    team: Team, source: Path, model: str, tmp_path: Path
) -> None:
    for change, told in ((Path.unlink, "is not there; put it on a disk"), (_append, "is another file there")):
        path = tmp_path / "stack.tif"
        path.write_bytes(source.read_bytes())
        work = memory_job(RESTORE, {"image": open_image(path)}, RestoreSettings(model=model), team=team)
        with pytest.raises(DiffuscopeError, match=told):
            run(work, partial(_when, "workers at work", partial(change, path)))


def _when(message: str, what: Any, update: Update) -> None:
    """Do something once something was said."""
    if message in update.message:
        what()


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def test_what_fails_on_a_worker_is_told_as_it_would_be_here(
    team: Team, source: Path, model: str, tmp_path: Path, capsys: Any
) -> None:
    words = ("--model", model, "--device", "cuda:7", "--cluster", address_of(team))
    assert called("restore", source, tmp_path / "out.tif", *words) == 1
    assert "Device 'cuda:7' is not available" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_shared_is_refused(team: Team, tmp_path: Path) -> None:
    image = Image(np.ones((2, 8, 8), np.float32), "ZYX", scale=(0.6, 0.2, 0.2), units=("µm",) * 3)
    with pytest.raises(DiffuscopeError, match="not made of pieces"):
        run_method(BRIGHTEN, image, settings=BrightenSettings(), cluster=team.client)
    tiny = str(write_slices(tmp_path / "model"))
    with pytest.raises(DiffuscopeError, match="need files that all workers see"):
        superresolve(image, model=tiny, mode="sample", steps=2, cluster=team.client)


def test_addresses() -> None:
    assert parse_address("local") == Address("", None, 1)
    assert parse_address("local:4") == Address("", 4, 1)
    assert parse_address("local:4x2") == Address("", 4, 2)
    assert parse_address("tcp://10.0.0.1:8786") == Address("tcp://10.0.0.1:8786")
    assert parse_address("node7:8786") == Address("node7:8786")
    for wrong in (
        "",
        "local:",
        "local:0",
        "local:2x0",
        "remote",
        "localhost",
        "tcp://node7",
        "local:9999999",
    ):
        with pytest.raises(DiffuscopeError):
            parse_address(wrong)


def test_a_process_for_each_graphics_card_or_core(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = environments_of(Address("", None, 1), ["0", "1", "2"])
    assert [each["CUDA_VISIBLE_DEVICES"] for each in cards] == ["0", "1", "2"]
    assert len(environments_of(Address("", 2, 1), ["0", "1", "2"])) == 2
    with pytest.raises(DiffuscopeError, match="3 graphics cards"):
        environments_of(Address("", 4, 1), ["0", "1", "2"])
    own = environments_of(Address("", 3, 2), [])
    assert [each["DIFFUSCOPE_THREADS"] for each in own] == ["2"] * 3


def test_a_scheduler_that_does_not_answer(
    source: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_diffuscope.methods.cluster.connecting.PATIENCE", "300ms")
    assert called("restore", source, tmp_path / "out.tif", "--cluster", "127.0.0.1:9") == 1
    assert "No scheduler answers at 127.0.0.1:9" in capsys.readouterr().err
    assert called("restore", source, tmp_path / "out.tif", "--cluster", "everywhere") == 1
    assert "is no cluster; write local" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# Last: the worker that is started again takes a while


def test_a_worker_that_is_killed_changes_no_bit(
    team: Team, source: Path, model: str, alone: Any, tmp_path: Path
) -> None:
    before = team.client.run(os.getpid)
    out, first = tmp_path / "out.ome.zarr", next(iter(before.values()))
    run_until(restoring(source, model, out, team), 2, lambda: os.kill(first, signal.SIGKILL))
    assert np.array_equal(pixels_of(out), alone.restored)
    team.client.wait_for_workers(2, timeout=300)
    assert set(team.client.run(os.getpid).values()) != set(before.values())


def test_workers_get_what_was_learned_once(
    team: Team, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (adapting, "LEAST_GAIN", -np.inf),
        (adapting, "STEPS", 2),
        (learning, "STEPS", 2),
        (judging, "LINE_TURNS", 1),
    ):  # of this process alone: workers that learned would learn something else
        monkeypatch.setattr(module, name, value)
    noise = np.random.default_rng(0).poisson(30, (3, 130, 131)).astype(np.float32)
    noise += 40 * gaussian_filter(np.random.default_rng(1).standard_normal(noise.shape), 5)
    lines = np.cumsum(noise * 0.6 ** -np.arange(131.0), 2) * 0.6 ** np.arange(
        131.0
    )  # a filter that runs on along x
    settings = RestoreSettings(model=str(tiny_model), adapt=True)
    alone = restore(lines, axes="ZYX", settings=settings)
    [entry] = alone.record["adaptation"]
    assert entry["scales"] is not None
    assert entry["filter"] is not None
    together = run_method(RESTORE, lines, axes="ZYX", settings=settings, cluster=team.client)
    np.testing.assert_array_equal(together.restored, alone.restored)
    assert together.record["adaptation"] == alone.record["adaptation"]
    pixels = lines.astype(np.float32)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    inputs, files = {"image": open_image(tmp_path / "in.tif")}, {"restored": tmp_path / "out.ome.zarr"}
    run(files_job(RESTORE, inputs, settings, files, team=team))
    np.testing.assert_array_equal(pixels_of(files["restored"]), alone.restored)


FAULT = """
import errno
from napari_diffuscope.imaging.blocks import zarr_sink
zarr_sink.kept, zarr_sink.written = zarr_sink.sync_file, []

def no_room(path):
    zarr_sink.written.append(path)
    if len(zarr_sink.written) > 2:
        raise {}
    zarr_sink.kept(path)

zarr_sink.sync_file = no_room
"""
MENDED = "from napari_diffuscope.imaging.blocks import zarr_sink; zarr_sink.sync_file = zarr_sink.kept"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            "OSError(errno.ENOSPC, 'No space left on device')",
            r"the disk is full\); choose another folder or make room",
        ),
        (
            "MemoryError()",
            "memory ran out; give it more, or choose smaller tiles or blocks, and run this again",
        ),
    ],
)
def test_a_worker_without_room_is_named_and_the_same_command_goes_on(
    fault: str, told: str, team: Team, source: Path, model: str, alone: Any, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out.ome.zarr"
    words = ("restore", source, out, "--model", model, "--mode", "mean", "--samples", 2, "--skip-below", 10)
    words = (*words, "--cluster", address_of(team))
    team.client.run(exec, FAULT.format(fault), {})
    try:
        assert called(*words) == 1
    finally:
        team.client.run(exec, MENDED, {})
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(rf"diffuscope: On the worker \S+: .*{told}", said), said
    assert not out.exists()
    assert partial_path(out).exists()
    assert called(*words) == 0
    assert np.array_equal(pixels_of(out), alone.restored)
    record = read_zarr_record(out)
    assert record is not None
    assert record["skipped"] == alone.record["skipped"]
    again = tmp_path / "again.ome.zarr"
    assert called("repeat", out, again, "--cluster", address_of(team)) == 0
    assert np.array_equal(pixels_of(again), alone.restored)
    repeated = read_zarr_record(again)
    assert repeated is not None
    assert repeated["cluster"] == address_of(team)
