"""``diffuscope models``: which models are at hand, and what is known about one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard, Task, read_card
from napari_diffuscope.weights.catalogue import find_model, list_models, user_folder

app = typer.Typer(help="The models at hand.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(
    task: Annotated[Task | None, typer.Option(help="Only models for this task.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the models at hand: those that came with the package and your own."""
    cards = list_models(task)
    if as_json:
        typer.echo(json.dumps([card.to_dict() for card in cards], indent=2, ensure_ascii=False))
        return
    for line in _table([("NAME", "TASK", "PIXEL SIZE", "TITLE"), *(_row(card) for card in cards)]):
        typer.echo(line)
    typer.echo(f"Your own models go into {user_folder()}", err=True)


@app.command("info")
def info_command(
    model: Annotated[
        str,
        typer.Argument(metavar="NAME_OR_PATH", help="A name from the list, a model folder, or a checkpoint."),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what is known about a model: purpose, limits, training, licence, what to cite.

    A checkpoint is read through and checked as well; nothing in it is run.
    """
    path = find_model(model)
    folder = path.parent if path.name in (CARD_FILE, WEIGHTS_FILE) else path
    if not (folder / CARD_FILE).is_file():
        _checkpoint_info(path, as_json=as_json)
        return
    card = read_card(folder)
    if as_json:
        typer.echo(json.dumps(card.to_dict(), indent=2, ensure_ascii=False))
        return
    for title, text in _facts(card):
        if text:
            typer.echo(f"{title + ':':<18}{text}")


@app.command("import")
def import_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A checkpoint, a diffusers folder, or a zip or tar archive with one."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The model folder to make.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model folder of that name.")
    ] = False,
) -> None:
    """Make a model folder of a published checkpoint, its weights unchanged; nothing in the file is run."""
    from napari_diffuscope.weights.describe import import_model

    card = import_model(source, out, overwrite=overwrite)
    typer.echo(f"{out}: {card.title}")


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
    from napari_diffuscope.weights.describe import describe, inspect

    if as_json:
        typer.echo(json.dumps(inspect(path).card.to_dict(), indent=2, ensure_ascii=False))
    else:
        typer.echo(describe(path))


def _row(card: ModelCard) -> tuple[str, str, str, str]:
    return card.name, card.task, pixel_size_in_words(card.pixel_size), card.title


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def pixel_size_in_words(size: tuple[float, float] | None) -> str:
    """``0.05–0.3 µm``, or ``any`` where the training data do not tell."""
    return "any" if size is None else f"{size[0]:g}–{size[1]:g} µm"


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
        ("Licence", card.licence),
        ("Cite", "\n".ljust(19).join(card.citation)),
        ("SHA-256", card.sha256),
    ]


def _plainly(values: dict[str, Any]) -> str:
    """Nested values, one line per entry."""
    lines = (f"{key}: {value}" for key, value in values.items())
    return "\n".ljust(19).join(lines)
