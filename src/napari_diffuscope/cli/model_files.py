"""``diffuscope models download``, ``verify``, ``test``, ``remove`` and ``add``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import Task
from napari_diffuscope.weights.place import ExportFormat

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from the list.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Names from the list; all at hand by default.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Sha256 = Annotated[
    str, typer.Option("--sha256", metavar="HEX", help="Checksum of the file: another file is not taken.")
]
Called = Annotated[
    str, typer.Option("--name", help="What to call it; by default the last part of the address.")
]


def download(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_ADDRESS",
            help="A name from the list, or an address (https://…, doi:…/FILE, hf:owner/name, a path), which is added.",
        ),
    ],
    name: Called = "",
    sha256: Sha256 = "",
    quiet: Quiet = False,
) -> None:
    """Get a model and make it ready; a download that was cut or stopped goes on where it was.

    Nothing that came is run. DIFFUSCOPE_CACHE names the folder for downloads; DIFFUSCOPE_OFFLINE=1 forbids them.
    """
    from napari_diffuscope.weights.download import download_model

    with show_progress("download", quiet=quiet) as on_update:
        folder = download_model(model, name=name, sha256=sha256, on_update=on_update)
    typer.echo(str(folder))


def add(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="https://…, doi:…/FILE, hf:owner/name, or the path of a file or folder."
        ),
    ],
    name: Called = "",
    sha256: Sha256 = "",
    title: Annotated[str, typer.Option(help="What to call it for people.")] = "",
    task: Annotated[Task | None, typer.Option(help="Which method uses it, where you know.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights, an SPDX identifier.")] = "unknown",
    page: Annotated[str, typer.Option(help="Where people read about it.")] = "",
    cite: Annotated[list[str] | None, typer.Option(help="What to cite; may be given several times.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace your entry of that name.")] = False,
) -> None:
    """Add a model to your catalogue, by where it is; nothing is downloaded yet."""
    from napari_diffuscope.weights.entries import add_entry

    entry = add_entry(
        address, name=name, sha256=sha256, title=title, task=task, licence=licence, page=page,
        citation=tuple(cite or ()), overwrite=overwrite,
    )  # fmt: skip
    typer.echo(f"{entry.name}: get it with: diffuscope models download {entry.name}")


def verify(models: Names = None) -> None:
    """Read models through: card, checksum of the weights, and that every weight is there and finite."""
    from napari_diffuscope.weights.trial import verify_model

    failed = 0
    for model in models or _at_hand():
        try:
            typer.echo(f"{model}: whole, sha256 {verify_model(model)}")
        except DiffuscopeError as error:
            failed += 1
            typer.echo(f"{model}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def try_out(
    models: Names = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or mps.")] = "cpu",
    store: Annotated[
        bool,
        typer.Option(
            "--store", help="Keep what a model of yours gives now as its example, where it has none."
        ),
    ] = False,
) -> None:
    """Run models on their stored example, and compare with what they gave where they were made."""
    from napari_diffuscope.methods.device import choose_device
    from napari_diffuscope.weights.trial import store_missing_trial, try_model

    device, failed = choose_device(device), 0
    for model in models or _at_hand():
        try:
            tried = try_model(model, device=device)
            if store and tried.passed and tried.difference is None:
                typer.echo(f"{model}: its example is stored now, {store_missing_trial(model)}")
                continue
            typer.echo(tried.sentence, err=not tried.passed)
            failed += not tried.passed
        except DiffuscopeError as error:
            failed += 1
            typer.echo(f"{model}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def remove(
    model: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a model that you added or downloaded, for good; never one that came with the package."""
    from napari_diffuscope.weights.removal import planned_removal, remove_model

    removal = planned_removal(model)
    if not yes and not _agreed(removal.sentence):
        typer.echo("Nothing was removed.", err=True)
        raise typer.Exit(1)
    remove_model(model)
    typer.echo(f"{model} is removed.")


def _agreed(sentence: str) -> bool:
    if not sys.stdin.isatty():
        raise DiffuscopeError(f"{sentence} Add --yes to say so.")
    return typer.confirm(sentence)


def _at_hand() -> list[str]:
    from napari_diffuscope.weights.catalogue import listed_models

    return [model.name for model in listed_models() if model.folder is not None]


def export(
    model: Annotated[
        str,
        typer.Argument(metavar="NAME_OR_PATH", help="A name from the list, a model folder, or a checkpoint."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder or the zip file to write.")],
    format: Annotated[
        ExportFormat,
        typer.Option(
            help="A folder, a zip file, or a zip file that is a package of the BioImage Model Zoo as well."
        ),
    ] = "folder",
    authors: Annotated[
        list[str] | None, typer.Option("--author", metavar="NAME", help="Who made it, for the zoo.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model or zip file there.")
    ] = False,
) -> None:
    """Write a model where others can take it.

    `diffuscope models import` makes the same weights and card of it, bit by bit.
    """
    from napari_diffuscope.weights.exporting import export_model

    place, sentence = export_model(model, out, format=format, authors=authors or (), overwrite=overwrite)
    typer.echo(str(place))
    typer.echo(sentence, err=True)
