"""From a class of settings to the options of a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal

import typer

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.declared import Setting, Settings, settings_of

COMPUTING = "How it is computed (never decides the result on one processor)"
RARE = "Rarely needed"
_LISTS: dict[type, Any] = {str: list[str], int: list[int], float: list[float]}


def command_with(
    parameters: Sequence[Parameter], summary: str, run: Callable[..., None], name: str = "command"
) -> Callable[..., None]:
    """A command of some parameters, for Typer.

    Parameters
    ----------
    parameters
        Arguments and options, in the order of the help.
    summary
        The first line of its help.
    run
        Called with all of their values, by name.
    name
        Of the function.
    """

    def command(**values: Any) -> None:
        run(**values)

    command.__name__, command.__doc__ = name, summary
    command.__signature__ = Signature(list(parameters), return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def quiet_option(panel: str | None = None) -> Parameter:
    """``--quiet``."""
    option = typer.Option("--quiet", "-q", help="No progress, only warnings.", rich_help_panel=panel)
    return keyword("quiet", bool, option, False)


def scene_options(panel: str | None = None) -> list[Parameter]:
    """``--series`` and ``--scene`` of a command that reads several files."""
    series = typer.Option(
        min=0,
        help="Which image of files that hold several, counted from 0; the largest by default.",
        rich_help_panel=panel,
    )
    scene = typer.Option(
        metavar="NAME|NUMBER",
        help="The same by its name, such as the scene of a microscope's file.",
        rich_help_panel=panel,
    )
    return [keyword("series", int | None, series, None), keyword("scene", str | None, scene, None)]


def options_of(kind: type[Settings], panel: str | None = None) -> list[Parameter]:
    """A keyword of a command for every setting, with help, limits and default; in a panel of its own in the help."""
    return [_parameter(setting, panel) for setting in settings_of(kind)]


def settings_from(kind: type[Settings], values: Mapping[str, Any]) -> Any:
    """Settings of the values that a command was called with.

    Raises
    ------
    typer.BadParameter
        For a text that is not understood.
    DiffuscopeError
        As the settings.
    """
    return kind(**{setting.name: _value(setting, values[setting.name]) for setting in settings_of(kind)})


def _parameter(setting: Setting, panel: str | None) -> Parameter:
    option = typer.Option(
        *_names(setting),
        help=_help(setting),
        rich_help_panel=panel or _panel(setting),
        **_limits(setting),
    )
    default = None if setting.text or setting.item else setting.default
    return keyword(setting.name, _annotation(setting), option, default)


def keyword(name: str, kind: Any, option: Any, default: Any) -> Parameter:
    """A keyword of a command."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _names(setting: Setting) -> tuple[str, ...]:
    names = (setting.option, *setting.also)
    return tuple(f"--{name}/--no-{name}" if setting.kind is bool else f"--{name}" for name in names)


def _help(setting: Setting) -> str:
    modes = f" For {', '.join(setting.modes)}." if setting.modes else ""
    return setting.help + modes


def _panel(setting: Setting) -> str | None:
    if not setting.decides:
        return COMPUTING
    return RARE if setting.advanced else None


def _annotation(setting: Setting) -> Any:
    if setting.text is not None:
        return str | None
    if setting.item is not None:  # Typer knows no lists of choices; the settings check them
        return _LISTS[setting.item] | None
    kind: Any = Literal[setting.choices] if setting.choices else setting.kind
    return kind | None if setting.optional else kind


def _limits(setting: Setting) -> dict[str, Any]:
    if setting.text is not None:
        return {"metavar": setting.text.shown}
    if setting.item and setting.choices:
        return {"metavar": "|".join(setting.choices)}
    kind = setting.item or setting.kind
    if kind in (int, float):
        limits = {"min": setting.low, "max": setting.high}
        return {name: kind(limit) for name, limit in limits.items() if limit is not None}
    return {}


def _value(setting: Setting, value: Any) -> Any:
    if value is None and (setting.text or setting.item):
        return setting.default
    if setting.text is None:
        return value
    try:
        return setting.text.parse(value)
    except DiffuscopeError as error:
        raise typer.BadParameter(str(error), param_hint=f"--{setting.option}") from None
