"""``diffuscope models``: which models there are, and what is known about one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_diffuscope.cli import model_files
from napari_diffuscope.imaging.units import same_length
from napari_diffuscope.methods.error_bars import error_bars_in_words
from napari_diffuscope.shared_preferences import cache_folder
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard, Task, read_card
from napari_diffuscope.weights.catalogue import ListedModel, find_model, listed_models, user_folder
from napari_diffuscope.weights.citing import bibtex_of
from napari_diffuscope.weights.entries import Entry
from napari_diffuscope.weights.folders import origin_of

app = typer.Typer(help="Models: find, get, check, share and remove them.", no_args_is_help=True)
app.command("download")(model_files.download)
app.command("verify")(model_files.verify)
app.command("test")(model_files.try_out)
app.command("remove")(model_files.remove)
app.command("add")(model_files.add)
app.command("export")(model_files.export)

_SHORT = 300
"""Characters up to which a list of values is printed."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(
    task: Annotated[Task | None, typer.Option(help="Only models for this task.")] = None,
    at_hand: Annotated[bool, typer.Option("--at-hand", help="Only models that can be used now.")] = False,
    as_json: AsJson = False,
) -> None:
    """List all models that are known of: at hand, or to be had. Nothing is asked of the web."""
    models = [model for model in listed_models(task) if model.at_hand or not at_hand]
    if as_json:
        typer.echo(json.dumps([_told(model) for model in models], indent=2, ensure_ascii=False))
        return
    for line in _table([("NAME", "STATE", "TASK", "PIXEL SIZE", "TITLE"), *map(_row, models)]):
        typer.echo(line)
    for model in models:
        if model.problem:
            typer.echo(f"{model.name}: {model.problem}", err=True)
    typer.echo(f"Your own models go into {user_folder()}, downloads into {cache_folder()}", err=True)


@app.command("info")
def info_command(
    model: Annotated[
        str,
        typer.Argument(metavar="NAME_OR_PATH", help="A name from the list, a model folder, or a checkpoint."),
    ],
    as_json: AsJson = False,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print what to cite, as BibTeX.")] = False,
) -> None:
    """Say what is known about a model: purpose, limits, training, licence, what to cite.

    A checkpoint is read through and checked as well; nothing in it is run.
    """
    listed = _known(model)
    if bibtex and listed is not None and (about := listed.card or listed.entry) is not None:
        typer.echo(bibtex_of(about.citation))
        return
    if listed is not None and listed.card is None:
        _entry_info(listed, as_json=as_json)
        return
    path = find_model(model)
    folder = path.parent if path.name in (CARD_FILE, WEIGHTS_FILE) else path
    if not (folder / CARD_FILE).is_file():
        _checkpoint_info(path, as_json=as_json)
        return
    card = read_card(folder)
    if as_json:
        typer.echo(json.dumps(card.to_dict(), indent=2, ensure_ascii=False))
        return
    _print_facts(
        [
            *_facts(card),
            ("State", origin_of(folder.resolve()) or "elsewhere"),
            ("Place", str(folder.resolve())),
        ]
    )


@app.command("import")
def import_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A checkpoint, a diffusers folder, or a zip or tar archive with one."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="The model folder to make; by default among your own models."
        ),
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="What the file does not tell: heads=4, schedule=cosine, data_range=0,1. May be given several times.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model folder of that name.")
    ] = False,
) -> None:
    """Make a model folder of a published checkpoint, its weights unchanged; nothing in the file is run.

    Where the file does not tell all that is needed, the questions are printed with likely answers. Answers are kept
    in a small file beside the checkpoint.
    """
    from napari_diffuscope.weights.answers import answers_from_words
    from napari_diffuscope.weights.catalogue import user_folder
    from napari_diffuscope.weights.describe import import_model, model_name
    from napari_diffuscope.weights.kept_archives import keeping_archives
    from napari_diffuscope.weights.sidecar import UnansweredError, sidecar_place

    said = answers_from_words(answers or ())
    target = out or user_folder() / model_name(source)
    with keeping_archives():
        try:
            card = import_model(source, target, answers=said, overwrite=overwrite)
        except UnansweredError:
            _ask(source, said)
            raise
    typer.echo(f"{target}: {card.title}")
    if out is None:
        typer.echo(f"It is listed among your models as {target.name}", err=True)
    if said and sidecar_place(source).is_file():
        typer.echo(f"The answers are kept in {sidecar_place(source)}", err=True)


def _ask(source: Path, said: dict[str, Any]) -> None:
    """Print what is still to be answered, and the command that takes the likely answers."""
    from napari_diffuscope.weights.answers import answers_in_words
    from napari_diffuscope.weights.interview import interview

    asked = interview(source, said)
    for one in asked.needed:
        question = one.question
        choices = [f"{answers_in_words({question.name: c.value})}  ({c.words})" for c in question.choices]
        allowed = [*choices, f"or {question.form}"] if question.form else choices
        typer.echo(f"\n{question.title}\n{question.explanation}", err=True)
        typer.echo("\n".join(f"    {line}" for line in allowed), err=True)
        typer.echo(
            f"  Likely: {answers_in_words({question.name: one.likely.value})}, for {one.likely.why}.",
            err=True,
        )
    options = answers_in_words({**said, **asked.likely})
    typer.echo(
        f"\nWith the likely answers:\n  diffuscope models import {shlex.quote(str(source))} {options}\n",
        err=True,
    )


@app.command("cells")
def cells_command(
    model: Annotated[
        str, typer.Argument(metavar="NAME_OR_PATH", help="A model of shapes: its card is completed.")
    ],
    cells: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The cells that it learned from: image, mask and obj."),
    ],
) -> None:
    """Measure what the training cells of a model of shapes look like, and keep it in the model's card.

    Cells that the card names as kept out are left out. With it the model can tell cells that are unlike those. A
    training writes it by itself; this is for models of before.
    """
    from napari_diffuscope.training.shape.cells import measure_training_cells

    features = measure_training_cells(find_model(model), cells)
    typer.echo(
        f"{model}: {features.cells} cells measured; 95 % of them lie below a distance of {features.limit:g}."
    )


def _checkpoint_info(path: Path, *, as_json: bool) -> None:
    from napari_diffuscope.weights.describe import described, inspect
    from napari_diffuscope.weights.kept_archives import keeping_archives
    from napari_diffuscope.weights.sidecar import UnansweredError

    with keeping_archives():
        try:
            inspected = inspect(path)
        except UnansweredError:
            _ask(path, {})
            raise
    if as_json:
        typer.echo(json.dumps(inspected.card.to_dict(), indent=2, ensure_ascii=False))
    else:
        typer.echo(described(inspected))


def _known(name: str) -> ListedModel | None:
    return next((model for model in listed_models() if model.name == name), None)


def _entry_info(model: ListedModel, *, as_json: bool) -> None:
    """What the catalogue says of a model that is not at hand."""
    if as_json:
        typer.echo(json.dumps(_told(model), indent=2, ensure_ascii=False))
        return
    facts = [("Name", model.name), ("State", model.badge), ("Problem", model.problem)]
    _print_facts(facts if model.entry is None else facts + entry_facts(model.entry))


def entry_facts(entry: Entry) -> list[tuple[str, str]]:
    """What an entry says, by title."""
    return [
        ("Title", entry.title),
        ("Purpose", entry.purpose),
        ("Task", entry.task or "its file tells"),
        ("Pixel size", pixel_size_in_words(entry.pixel_size) if entry.pixel_size else ""),
        ("Training", entry.training),
        ("Page", entry.page),
        ("Address", entry.address or "none that a program can use"),
        ("By hand", entry.by_hand),
        ("Licence", entry.licence + (f" (its code: {entry.code_licence})" if entry.code_licence else "")),
        ("Paper", entry.paper),
        ("Cite", "\n".ljust(19).join(entry.citation)),
        ("SHA-256", entry.sha256 or "nobody here knows it"),
        ("Verified", entry.verified or "never: nobody of this project has got this file and run it"),
    ]


def _print_facts(facts: list[tuple[str, str]]) -> None:
    for title, text in facts:
        if text:
            typer.echo(f"{title + ':':<18}{text}")


def _told(model: ListedModel) -> dict[str, Any]:
    """All that is known of a model, for programs."""
    about = model.card.to_dict() if model.card is not None else asdict(model.entry) if model.entry else {}
    folder = str(model.folder) if model.folder is not None else None
    return {"name": model.name, **about, "state": model.badge, "folder": folder, "problem": model.problem}


def _row(model: ListedModel) -> tuple[str, str, str, str, str]:
    about = model.card or model.entry
    size = pixel_size_in_words(about.pixel_size) if about is not None else ""
    return model.name, model.badge, model.task or "", size, model.title


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def pixel_size_in_words(size: tuple[float, float] | None) -> str:
    """``0.05–0.3 µm``, ``0.02 µm``, or ``any`` where the training data do not tell."""
    if size is None:
        return "any"
    low, high = size
    return f"{low:g} µm" if same_length(low, high) else f"{low:g}–{high:g} µm"


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    return [
        ("Name", card.name),
        ("Title", card.title),
        ("Purpose", card.purpose),
        ("Limits", card.limits),
        ("Task", card.task),
        ("Axes", card.axes),
        ("Pixel size", pixel_size_in_words(card.pixel_size)),
        ("Network", f"{card.network.kind}, predicts {card.diffusion.prediction}"),
        ("Training", _plainly(card.training)),
        ("Measured", _plainly(card.metrics)),
        ("Error bars", error_bars_in_words(card)),
        ("Licence", card.licence),
        ("Cite", "\n".ljust(19).join(card.citation)),
        ("SHA-256", card.sha256),
    ]


def _plainly(values: dict[str, Any]) -> str:
    """Nested values, one line per entry; what would fill the screen is counted."""
    lines = (f"{key.replace('_', ' ')}: {_in_short(value)}" for key, value in values.items())
    return "\n".ljust(19).join(lines)


def _in_short(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{key.replace('_', ' ')} {_in_short(part)}" for key, part in value.items())
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_in_short, value))
    else:
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _SHORT else f"{len(value)} entries, which {CARD_FILE} lists"
