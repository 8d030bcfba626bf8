"""One random call of a method: from its number alone, so that it can be made again."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from napari_diffuscope import DiffuscopeError, generate, predict_shapes, restore, superresolve
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import image_of
from napari_diffuscope.methods.declared import setting_of
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.registry import METHODS
from tests.fuzz import answers
from tests.fuzz.files import damage, draw_file
from tests.fuzz.models import draw_model
from tests.fuzz.pixels import carried, draw_labels, draw_pixels
from tests.fuzz.rule import TooSlow, Watch, check_sentence, watched, where
from tests.fuzz.values import WILD, draw_settings

AXES = ("YX", "ZYX", "TYX", "CYX", "TZYX", "CZYX", "TCZYX", "YXS", "ZYXS", "XYZ", "YXC")
ODD_AXES = (
    "",
    "Q",
    "zyx",
    "YXYX",
    "Y",
    "XX",
    3,
    True,
    ["Z", "Y", "X"],
    ("Y", "X"),
    b"YX",
    "YX" * 200,
    None,
    1.5,
)
OUTPUT = "out"


FUNCTIONS = {"restore": restore, "superres": superresolve, "shape": predict_shapes, "generate": generate}
CHECKS: dict[str, Callable[..., None]] = {
    "restore": answers.check_restored,
    "superres": answers.check_volume,
    "shape": answers.check_shapes,
    "generate": answers.check_generated,
}
SUFFIXES = {"restore": (".tif", ".ome.tif", ".ome.zarr"), "shape": ("",)}
"""Of outputs on the command line; of the others ``PLAIN``."""
PLAIN = (".tif", ".ome.zarr")


@dataclass
class Call:
    """What is called with what.

    Parameters
    ----------
    number
        From which everything else was drawn.
    method
        What is called.
    choices
        Its settings, the model among them.
    sources
        What is passed, by the name of the input.
    pixels
        Those of the first image as they are known here; ``None`` where a file was damaged.
    axes
        Of the image, where given.
    words
        How it came about.
    """

    number: int
    method: Method
    folder: Path
    choices: dict[str, Any]
    pixels: np.ndarray | None
    sources: dict[str, Any] = field(default_factory=dict)
    axes: Any = None
    command: bool = False
    words: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = {name: str(value)[:60] for name, value in self.choices.items()}
        route = "diffuscope" if self.command else "python"
        return f"call {self.number}: {route} {self.method.name} {shown} axes={self.axes!r}; {'; '.join(self.words)}"


def draw_call(number: int, seed: int, folder: Path, models: dict[str, tuple[Path, ...]]) -> Call:
    """The call of that number.

    Parameters
    ----------
    number, seed
        What decides everything.
    folder
        Empty; for its files.
    models
        Tiny models by task.
    """
    rng = Random(f"{seed}/{number}")
    method = rng.choice(list(METHODS.values()))
    model, amiss = draw_model(models, method.name, folder, rng)
    choices = {"model": model, **draw_settings(method.settings, rng, wild=rng.choice([0.0, 0.0, 0.3]))}
    pixels = draw_pixels(rng)
    call = Call(number, method, folder, choices, pixels, command=rng.random() < 0.3)
    call.words.append(f"{pixels.dtype} {pixels.shape}")
    if amiss:
        call.words.append(f"model: {amiss}")
    for each in method.inputs:
        if each.optional and rng.random() < 0.7:
            continue
        if each.kind == "labels":
            _give_labels(call, each.name, rng)
        else:
            _give_image(call, each.name, rng)
    if method.image is not None:
        _give_axes(call, rng)
    (folder / "thesis.txt").write_text("Nobody's but mine.")
    return call


def _give_labels(call: Call, name: str, rng: Random) -> None:
    shape = call.pixels.shape if call.pixels is not None else ()
    plane = shape[-2:] if len(shape) >= 2 and min(shape) > 0 else (20, 24)
    if rng.random() < 0.05:
        plane = (11, 13)
    labels = draw_labels(plane, rng)
    if call.command:
        call.sources[name] = call.folder / f"{name}.npy"
        np.save(call.sources[name], labels)
    else:
        call.sources[name] = labels


def _give_image(call: Call, name: str, rng: Random) -> None:
    """As an array of some library, or as a file."""
    pixels = call.pixels
    storable = pixels is not None and pixels.ndim >= 2 and pixels.size and pixels.dtype.kind in "buif"
    if not storable and call.command:
        call.pixels = pixels = np.arange(800, dtype=np.uint16).reshape(20, 40)
        storable = True
    if call.command or (storable and rng.random() < 0.4):
        plain = pixels.astype(pixels.dtype.newbyteorder("="))
        path = draw_file(call.folder / name, plain, rng)
        call.words.append(path.name)
        if rng.random() < 0.3:
            call.words.append(damage(path, rng))
            call.pixels = None
        call.sources[name] = path
        return
    kind, call.sources[name] = carried(pixels, rng)
    call.words.append(kind)


def _give_axes(call: Call, rng: Random) -> None:
    dimensions = 0 if call.pixels is None else call.pixels.ndim
    fitting = [axes for axes in AXES if len(axes) == dimensions]
    if rng.random() < 0.4 and fitting:
        call.axes = rng.choice(fitting)
    elif rng.random() < 0.06:
        call.axes = rng.choice(ODD_AXES)


# --- making it ---


def make(call: Call) -> Watch:
    """Make a call and say where it breaks the rule."""
    before, here = _digest(call), call.folder.parent / "here"
    here.mkdir(exist_ok=True)
    with contextlib.chdir(here):  # a word too many is taken for a folder of results
        watch = _run_command(call) if call.command else _run_python(call)
    if _digest(call) != before:
        watch.fault("changed: the input array")
    return watch


def _digest(call: Call) -> str:
    arrays = [one for one in call.sources.values() if isinstance(one, np.ndarray) and one.dtype != object]
    return "".join(hashlib.sha1(np.ma.getdata(one).tobytes()).hexdigest() for one in arrays)


def _run_python(call: Call) -> Watch:
    method = call.method
    needed = [call.sources[each.name] for each in method.inputs if not each.optional]
    more = {each.name: call.sources.get(each.name) for each in method.inputs if each.optional}
    if method.image is not None:
        more["axes"] = call.axes
    with watched(call.folder) as watch:
        result = FUNCTIONS[method.name](*needed, **more, **call.choices)
    if watch.error is not None:
        _judge_error(watch.error, watch)
        return watch
    if call.pixels is None:
        return watch
    try:
        _check(call, result, watch)
    except DiffuscopeError as error:
        watch.fault(f"result: though the input is refused: {error}")
    return watch


def _check(call: Call, result: Any, watch: Watch) -> None:
    settings = call.method.settings(**call.choices)
    main = call.method.image.name if call.method.image else "like"
    if main not in call.sources:
        image = None
    else:
        source = call.sources[main]
        known = source if isinstance(source, Path | np.ma.MaskedArray) else call.pixels
        image = image_of(known, _plain_axes(call.axes), rgb=getattr(settings, "rgb", "luminance"))
    CHECKS[call.method.name](result, image, settings, watch)


def _plain_axes(axes: Any) -> str | None:
    return "".join(axes) if isinstance(axes, list | tuple) else axes


def _judge_error(error: BaseException, watch: Watch) -> None:
    if isinstance(error, TooSlow):
        watch.fault(f"slow: {where(error)}")
    elif isinstance(error, DiffuscopeError):
        check_sentence(str(error), watch)
    else:
        watch.fault(f"error: {where(error)}")


def command_words(call: Call, rng: Random) -> list[str]:
    """The words after ``diffuscope`` that ask for the same."""
    method = call.method
    words = [method.name]
    if method.image is not None:
        words.append(str(call.sources[method.image.name]))
    for each in method.others:
        if each.name in call.sources:
            words += [f"--{each.name}", str(call.sources[each.name])]
    words.append(str(call.folder / (OUTPUT + rng.choice(SUFFIXES.get(method.name, PLAIN)))))
    for name, value in call.choices.items():
        option = f"--{setting_of(method.settings, name).option}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        elif value is not None:
            words += [option, _word(value)]
    if isinstance(call.axes, str):
        words += ["--axes", call.axes]
    if rng.random() < 0.1:
        words += [rng.choice(["--overwrite", "--quiet", "--json", "--nonsense", str(rng.choice(WILD))[:50]])]
    return words


def _word(value: Any) -> str:
    joined = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return joined.replace("\x00", "")


def _run_command(call: Call) -> Watch:
    words = command_words(call, Random(call.number))
    call.words.append(" ".join(word[:80] for word in words))
    said, printed = io.StringIO(), io.StringIO()
    with (
        watched(call.folder, allowed=OUTPUT) as watch,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(printed),
    ):
        main(words)
    code = watch.error.code if isinstance(watch.error, SystemExit) else 0
    if watch.error is not None and not isinstance(watch.error, SystemExit):
        _judge_error(watch.error, watch)
        if isinstance(watch.error, DiffuscopeError):
            watch.fault("error: a sentence without the program's name")
        return watch
    if code not in (0, None):
        _judge_refusal(call, code, said.getvalue(), watch)
    elif not list(call.folder.glob(f"{OUTPUT}*")) and "--help" not in words:
        watch.fault("nothing written, though it ended well")
    return watch


def _judge_refusal(call: Call, code: Any, said: str, watch: Watch) -> None:
    if "says why" not in said:  # a table of reasons, where every cell was refused
        for path in call.folder.glob(f"*{OUTPUT}*"):
            watch.fault(f"left behind after code {code}: {path.name}")
    if code == 1:
        lines = said.replace("\r", "\n").strip().splitlines()
        if not lines or not lines[-1].startswith("diffuscope: "):
            watch.fault(f"error: code 1 without a sentence: {said[-200:]!r}")
        else:
            check_sentence(lines[-1].removeprefix("diffuscope: "), watch)
    elif code != 2:
        watch.fault(f"error: code {code}: {said[-200:]!r}")
    if "Traceback" in said:
        watch.fault(f"error: traceback: {said[-300:]!r}")
