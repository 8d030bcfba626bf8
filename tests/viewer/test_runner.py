"""The one runner of all docks, with jobs that behave in every way."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
import warnings
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QThreadPool

from napari_diffuscope.errors import DiffuscopeError, OutOfMemory
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome, available_cores, explain

PATIENCE = 60_000


@pytest.fixture
def runner(qtbot) -> Iterator[JobRunner]:
    runner = JobRunner()
    yield runner
    runner.cancel()
    assert QThreadPool.globalInstance().waitForDone(PATIENCE)


def outcome_of(qtbot, runner: JobRunner, make_job, **options) -> Outcome:
    with qtbot.waitSignal(runner.ended, timeout=PATIENCE) as ended:
        runner.start(make_job, **options)
    return ended.args[0]


def counting(total: int, pause: float = 0.0) -> Job[str]:
    for done in range(1, total + 1):
        time.sleep(pause)
        yield Update(done, total, f"Plane {done}")
    return "all"


def failing(error: BaseException) -> Job[None]:
    yield Update(1, 2)
    raise error


def test_a_job_runs_in_another_thread_and_returns_its_result(qtbot, runner) -> None:
    threads = []

    def job() -> Job[int]:
        threads.append(threading.get_ident())
        yield Update(1, 1)
        return 42

    outcome = outcome_of(qtbot, runner, job)
    assert (outcome.state, outcome.result, outcome.error) == ("done", 42, None)
    assert threads != [threading.get_ident()]
    assert not runner.running


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DiffuscopeError("The model is missing; install it."), "The model is missing; install it."),
        (OutOfMemory("Not even the smallest tile fits."), "smallest tile"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "too little memory"),
        (
            RuntimeError("mat1 and mat2 shapes cannot be multiplied\nmore"),
            "mat1 and mat2 shapes cannot be multiplied",
        ),
        (MemoryError(), "too little memory"),
        (FileNotFoundError(2, "No such file", "image.tif"), "image.tif"),
    ],
)
def test_errors_end_the_run_with_one_sentence(qtbot, runner, error: BaseException, words: str) -> None:
    before = len(notification_manager.records)
    outcome = outcome_of(qtbot, runner, lambda: failing(error))
    assert outcome.state == "failed"
    assert words in str(outcome.error)
    assert "\n" not in str(outcome.error)
    assert len(notification_manager.records) == before, "a foreseen error shows no traceback"


def test_a_bug_is_shown_with_its_traceback_and_ends_the_run(qtbot, runner) -> None:
    outcome = outcome_of(qtbot, runner, lambda: failing(KeyError("axes")))
    assert outcome.state == "failed"
    assert "KeyError" in str(outcome.error)
    assert isinstance(notification_manager.records[-1].exception, KeyError)


def test_cancel_stops_at_the_next_update_and_cleans_up_in_the_worker(qtbot, runner) -> None:
    closed = []

    def job() -> Job[None]:
        try:
            yield from counting(10_000, 0.01)
        finally:
            closed.append(threading.get_ident())

    runner.start(job)
    qtbot.waitUntil(lambda: runner._mailbox.update is not None, timeout=PATIENCE)
    with qtbot.waitSignal(runner.ended, timeout=PATIENCE) as ended:
        runner.cancel()
    assert ended.args[0].state == "cancelled"
    assert closed
    assert closed[0] != threading.get_ident()


def test_a_second_start_is_refused_while_running_and_fine_afterwards(qtbot, runner) -> None:
    with qtbot.waitSignal(runner.ended, timeout=PATIENCE):
        runner.start(lambda: counting(3, 0.05))
        with pytest.raises(DiffuscopeError, match="already under way"):
            runner.start(lambda: counting(3))
    assert outcome_of(qtbot, runner, lambda: counting(3)).state == "done"


def test_a_thousand_updates_reach_the_window_a_few_times_a_second(qtbot, runner) -> None:
    told = []
    runner.progressed.connect(told.append)
    outcome = outcome_of(qtbot, runner, lambda: counting(2000, 0.0005))
    assert outcome.seconds > 0.5
    assert 1 <= len(told) <= outcome.seconds * 5 + 2
    assert [p.done for p in told] == sorted(p.done for p in told)


def test_every_update_reaches_the_worker_side_callback(qtbot, runner) -> None:
    array = np.zeros(50)

    def paint(update: Update) -> None:
        array[update.done - 1] = update.done

    outcome_of(qtbot, runner, lambda: counting(50), on_update=paint)
    assert (array == np.arange(1, 51)).all()


def test_announced_warnings_are_passed_on_once_each(qtbot, runner) -> None:
    told = []
    runner.warned.connect(told.append)

    def job() -> Job[None]:
        yield Update(1, 2, "Smaller tiles are used.", warning=True)
        yield Update(2, 2, "Still smaller tiles are used.", warning=True)

    outcome_of(qtbot, runner, job)
    assert told == ["Smaller tiles are used.", "Still smaller tiles are used."]


def test_a_flood_of_python_warnings_is_one_notification(qtbot, runner) -> None:
    before = len(notification_manager.records)

    def job() -> Job[None]:
        for done in range(3000):
            warnings.warn("the kernel is experimental", stacklevel=1)
            yield Update(done, 3000)

    outcome_of(qtbot, runner, job)
    assert len(notification_manager.records) <= before + 1


def test_a_core_is_left_for_the_window(qtbot, runner) -> None:
    def job() -> Job[int]:
        import torch

        yield Update(1, 1)
        return torch.get_num_threads()

    assert outcome_of(qtbot, runner, job).result == max(1, available_cores() - 1)


def test_two_runners_do_not_disturb_each_other(qtbot, runner) -> None:
    other = JobRunner()
    with qtbot.waitSignals([runner.ended, other.ended], timeout=PATIENCE):
        runner.start(lambda: counting(5, 0.02))
        other.start(lambda: counting(5, 0.02))
    assert not runner.running
    assert not other.running


def test_explain_says_what_to_do() -> None:
    assert "smaller region" in str(explain(RuntimeError("DefaultCPUAllocator: can't allocate memory")))
    assert "disk is not full" in str(explain(OSError(28, "No space left on device")))


def test_python_leaves_cleanly_while_a_job_is_inside_torch() -> None:
    script = """
        import time
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication
        from napari_diffuscope.jobs import Update
        from napari_diffuscope.viewer.runner import JobRunner

        def job():
            import torch
            a = torch.rand(300, 300)
            while True:
                for _ in range(20):
                    a = (a @ a).softmax(0)
                yield Update(1, 2)

        app = QApplication([])
        runner = JobRunner()
        runner.start(job)
        runner.progressed.connect(lambda p: QTimer.singleShot(100, app.quit) if p.done else None)
        app.exec_()
        print("left", flush=True)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "left"
    assert "Traceback" not in run.stderr


def test_what_goes_wrong_while_a_cancelled_job_cleans_up_is_told(qtbot, runner) -> None:
    def job() -> Job[None]:
        try:
            while True:
                yield Update(1, 2)
        finally:
            raise DiffuscopeError("The checkpoint cannot be written.")

    runner.progressed.connect(lambda _: runner.cancel())
    outcome = outcome_of(qtbot, runner, job)
    assert (outcome.state, str(outcome.error)) == ("failed", "The checkpoint cannot be written.")


def test_what_a_failed_job_held_is_let_go_without_looking_for_garbage(qtbot, runner, monkeypatch) -> None:
    held = []

    def compute() -> None:
        tensor = np.zeros(9).view(type("Tensor", (np.ndarray,), {}))
        held.append(weakref.ref(tensor))
        raise RuntimeError("out of memory")

    def job() -> Job[None]:
        yield Update(1, 2)
        try:
            compute()
        except RuntimeError as error:
            raise OutOfMemory("There is too little memory.") from error

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: held.append("emptied"))
    monkeypatch.setattr("gc.collect", lambda *_: held.append("the window stood still"))
    outcome = outcome_of(qtbot, runner, job)
    assert outcome.error is not None
    assert held[0]() is None, "though the error is still there"
    assert held[1:] == ["emptied"]


def test_notes_of_a_run_can_be_read_after_it(qtbot, runner) -> None:
    def job() -> Job[None]:
        for _ in range(2):
            yield Update(1, 2, "Not adapted: the image is too small.", warning=True)

    bar = RunBar(runner, lambda: runner.start(job))
    qtbot.addWidget(bar)
    for _ in range(2):
        with qtbot.waitSignal(runner.ended, timeout=PATIENCE):
            bar.run_button.click()
        bar.ended()
        bar.tell_end("Finished.")
        assert bar.status.text() == "Finished. 1 note: rest the mouse here to read."
        assert bar.status.toolTip() == "Not adapted: the image is too small."
