"""Settings that are declared once; forms, options, checks, records and the manual read the declaration. Free of torch.

A method's settings are a frozen dataclass whose fields are made by :func:`declared`::

    @dataclass(frozen=True)
    class BrightenSettings(Settings):
        gain: float = declared(2.0, "Gain", "How many times brighter.", low=0.0, high=100.0)

What a field is (a whole number, one of several words, something that may be left out) is said by its annotation.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from napari_diffuscope.errors import DiffuscopeError, quoted, shortened
from napari_diffuscope.methods.checks import (
    checked_choice,
    checked_flag,
    checked_name,
    checked_real,
    checked_whole,
    in_words,
    is_whole,
    listed,
)

_KEY = "napari-diffuscope setting"


@dataclass(frozen=True)
class Text:
    """How a value is typed on a command line where that is more than a number or a word.

    Parameters
    ----------
    shown
        What help shows in its place: ``Y0:Y1,X0:X1``.
    parse, write
        From the text to the value (raises `DiffuscopeError`), and back.
    """

    shown: str
    parse: Callable[[str], Any]
    write: Callable[[Any], str]


@dataclass(frozen=True)
class Setting:
    """What is declared of a setting, and what its annotation says.

    Parameters
    ----------
    name, default
        Of the field.
    label, help
        Its name in a form, and what it is for, in a microscopist's words.
    low, high
        Least and largest value, of numbers.
    modes
        Modes in which it counts; empty for all.
    words
        For each of several choices how it is called in a form and what it means.
    decides
        Whether it decides the numbers, or only how they are computed.
    advanced
        Whether few need it.
    hidden
        Whether a form has no row for it: it is chosen in another way there.
    unset
        What a form calls ``None``.
    unit
        Shown behind a number in a form.
    step
        By how much a form moves a real number.
    slider
        Whether a form shows a slider.
    text
        How it is typed on the command line.
    also
        Further names of its option on the command line, such as earlier ones.
    before
        What records of earlier versions stand for, which lack it; ``None`` for the default.
    check
        What makes a value that is not ``None`` a plain one, or refuses it, where the annotation does not say.
    unless
        Another setting beside which this one does nothing, where that is chosen.
    named
        Whether results are called by it where it is chosen, as users compare them with and without.
    kind
        The type of a value that is not ``None``: ``int``, ``float``, ``bool``, ``str`` or ``tuple``.
    optional
        Whether ``None`` is allowed.
    choices
        The words to choose from, if it is a choice.
    item
        Of a setting of several values the type of one; limits and choices are those of each.
    """

    name: str
    default: Any
    label: str
    help: str
    low: float | None = None
    high: float | None = None
    modes: tuple[str, ...] = ()
    words: Mapping[Any, tuple[str, str]] = field(default_factory=dict)
    decides: bool = True
    advanced: bool = False
    hidden: bool = False
    unset: str = "automatic"
    unit: str = ""
    step: float = 0.1
    slider: bool = False
    text: Text | None = None
    also: tuple[str, ...] = ()
    before: Any = None
    check: Callable[[Any], Any] | None = None
    unless: str = ""
    named: bool = False
    kind: type = str
    optional: bool = False
    choices: tuple[str, ...] = ()
    item: type | None = None

    def counts_in(self, mode: Any) -> bool:
        """Whether it matters in a mode."""
        return not self.modes or mode in self.modes

    @property
    def option(self) -> str:
        """Its name on the command line, without dashes in front."""
        return self.name.rstrip("_").replace("_", "-")

    @property
    def offered(self) -> tuple[Any, ...]:
        """What a form offers to choose from; empty where anything may be typed, or it is a plain yes or no."""
        values: tuple[Any, ...] = (True, False) if self.optional and self.kind is bool else self.choices
        return ((None,) if self.optional and values else ()) + values

    def written(self, value: Any) -> str:
        """A value as it is typed on a command line."""
        return self.text.write(value) if self.text else str(value)


def declared(default: Any, label: str, help: str, **more: Any) -> Any:
    """A field of settings; the keywords are those of `Setting`."""
    return field(default=default, metadata={_KEY: {"label": label, "help": help, **more}})


def checked_value(setting: Setting, value: Any) -> Any:
    """A value of a setting in its own type.

    Raises
    ------
    DiffuscopeError
        If it is of another type, outside the limits, or none of the choices.
    """
    if value is None and setting.optional:
        return None
    if setting.check is not None:
        return setting.check(value)
    if setting.item is not None:
        return _checked_several(setting, setting.item, value)
    if setting.choices:
        return checked_choice(setting.name, value, setting.choices)
    if setting.kind is bool:
        return checked_flag(setting.name, value)
    if setting.kind is int:
        return checked_whole(setting.name, value, low=setting.low, high=setting.high)
    if setting.kind is float:
        return checked_real(setting.name, value, low=setting.low, high=setting.high)
    return checked_name(setting.name, value)


def _checked_several(setting: Setting, item: type, value: Any) -> tuple[Any, ...]:
    several = [value] if isinstance(value, str | os.PathLike) or is_whole(value) else listed(value)
    if several is None:
        raise DiffuscopeError(f"{in_words(setting.name)} must be a list, not {quoted(value)}.")
    one = replace(setting, item=None, kind=item, optional=False)
    return tuple(checked_value(one, each) for each in several)


class Settings:
    """Base of the settings of a method: checks every field against its declaration.

    Raises
    ------
    DiffuscopeError
        For a value of another type, outside its limits or none of its choices, by name.
    """

    def __post_init__(self) -> None:
        for setting in settings_of(type(self)):
            object.__setattr__(self, setting.name, checked_value(setting, getattr(self, setting.name)))
        self.check()

    def check(self) -> None:
        """Refuse fields that do not go together; to be filled in."""

    def fitting(self, lengths: Mapping[str, int]) -> tuple[Self, str]:
        """These settings without what one image of a batch has nothing for; to be filled in.

        Parameters
        ----------
        lengths
            Of the image, by the letter of the axis.

        Returns
        -------
        tuple
            The settings, and a sentence on what was left out; empty where nothing was.
        """
        return self, ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as stored in records."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    def deciding(self) -> dict[str, Any]:
        """What decides the numbers, JSON-able."""
        names = [setting.name for setting in settings_of(type(self)) if setting.decides]
        values = self.to_dict()
        return {name: values[name] for name in names}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings from a record; unknown keys are refused by name.

        Raises
        ------
        DiffuscopeError
            For an unknown key, and as the class itself.
        """
        declarations = settings_of(cls)
        names = [setting.name for setting in declarations]
        if unknown := sorted(set(values) - set(names)):
            named = shortened(", ".join(map(str, unknown)))
            raise DiffuscopeError(f"Unknown setting {named}; known are {', '.join(sorted(names))}.")
        earlier = {
            setting.name: setting.before
            for setting in declarations
            if setting.before is not None and setting.counts_in(values.get("mode"))
        }
        return cls(**{**earlier, **values})


def settings_of(kind: type[Settings]) -> tuple[Setting, ...]:
    """The declarations of a class of settings, in their order."""
    plain: type = kind
    return _declarations(plain)


def idle_choices(settings: Settings) -> list[str]:
    """A sentence for each setting that was chosen and does nothing in the chosen mode."""
    mode = getattr(settings, "mode", None)
    return [
        f"{each.name} (--{each.option}) counts in the mode{'s' * (len(each.modes) > 1)} {', '.join(each.modes)}, and "
        f"does nothing in {mode!r}."
        for each in settings_of(type(settings))
        if not each.counts_in(mode) and getattr(settings, each.name) != each.default
    ]


def setting_of(kind: type[Settings], name: str) -> Setting:
    """The declaration of one setting."""
    return next(setting for setting in settings_of(kind) if setting.name == name)


@cache
def _declarations(kind: type) -> tuple[Setting, ...]:
    hints = get_type_hints(kind)
    return tuple(
        Setting(each.name, each.default, **each.metadata[_KEY], **_said_by(hints[each.name]))
        for each in fields(kind)
    )


def given_settings(settings: Settings) -> list[tuple[Setting, Any]]:
    """Declarations and values of all settings that are not the default."""
    pairs = [(setting, getattr(settings, setting.name)) for setting in settings_of(type(settings))]
    return [(setting, value) for setting, value in pairs if value != setting.default]


def _said_by(hint: Any) -> dict[str, Any]:
    """Kind, choices and whether it may be left out."""
    optional = get_origin(hint) in (Union, UnionType)
    if optional:
        [hint] = [each for each in get_args(hint) if each is not type(None)]
    if get_origin(hint) is Literal:
        return {"kind": str, "optional": optional, "choices": tuple(map(str, get_args(hint)))}
    if get_origin(hint) is tuple and get_args(hint)[1:] == (...,):
        one = _said_by(get_args(hint)[0])
        return {**one, "kind": tuple, "optional": optional, "item": one["kind"]}
    return {"kind": get_origin(hint) or hint, "optional": optional}
