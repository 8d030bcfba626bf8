"""Controls for declared settings, made by magicgui from their annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSlider, FloatSpinBox, LineEdit, SpinBox
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_diffuscope.methods.declared import Setting, Settings, settings_of
from napari_diffuscope.viewer.widgets import add_row, keep_narrow, note, say, show_row, with_note

MOST = 2**31 - 2
"""Of a spin box whose setting has no limit."""

MOST_EXACT = 2**53
"""Up to this whole numbers are exact as real ones."""


class SettingRow:
    """The control of one setting.

    Parameters
    ----------
    setting
        Its declaration.

    Attributes
    ----------
    widget
        Made by magicgui; ``widget.native`` is the Qt widget.
    field
        The Qt widget with the note below it that explains a choice.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.widget = _made(setting)
        self.widget.tooltip = setting.help
        self.remark = note() if setting.words else None
        native = self.widget.native
        native.setToolTip(setting.help)
        self.field: QWidget = with_note(native, self.remark) if self.remark is not None else native
        self._kept: Any = None
        self._rests = False
        self.value = setting.default
        self.widget.changed.connect(lambda _: self._explain())

    @property
    def label(self) -> str:
        """Its label, with the unit where the control cannot show it."""
        setting = self.setting
        if setting.kind is bool and not setting.optional:
            return ""  # it stands beside the box
        apart = setting.unit and not hasattr(self.widget.native, "setSuffix")
        return f"{setting.label} ({setting.unit})" if apart else setting.label

    @property
    def value(self) -> Any:
        """What is chosen; ``None`` where that is left open."""
        value = self.widget.value
        if self._open_number:
            return None if value < self._least else self.setting.kind(value)
        return value or None if self.setting.optional and self.setting.kind is str else value

    @value.setter
    def value(self, value: Any) -> None:
        if self._rests:
            self._kept = value
            return
        if value is None and self._open_number:
            value = self.widget.min
        elif value is None and not self.setting.offered:
            value = ""
        elif self.setting.offered and value not in self.widget.choices:
            self._offer([*self.widget.choices, value])
        self.widget.value = value
        self._explain()

    def rest(self, why: str) -> None:
        """Grey the control out while another choice leaves nothing for it to do; what was chosen comes back with it.

        Parameters
        ----------
        why
            A sentence for the tooltip; empty where it does something.
        """
        self.field.setToolTip(f"{why} {self.setting.help}".strip())
        if self._rests == bool(why):
            return
        self.field.setEnabled(not why)
        if why:
            kept, self.value = self.value, self.setting.default
            self._kept, self._rests = kept, True
        else:
            self._rests = False
            self.value = self._kept

    def offer(self, choices: Iterator[Any] | list[Any]) -> None:
        """Offer some of the choices alone, keeping the chosen one where it is among them."""
        self._offer(list(choices))

    def _offer(self, values: list[Any]) -> None:
        self.widget.choices = [(_title(self.setting, value), value) for value in values]
        self._explain()

    @property
    def _open_number(self) -> bool:
        return self.setting.optional and self.setting.kind in (int, float) and not self.setting.choices

    @property
    def _least(self) -> float:
        return float(self.setting.low or 0)

    def _explain(self) -> None:
        if self.remark is not None:
            say(self.remark, self.setting.words.get(self.widget.value, ("", ""))[1])


def _title(setting: Setting, value: Any) -> str:
    if value is None:
        return setting.unset
    return setting.words.get(value, (str(value), ""))[0]


def _made(setting: Setting) -> Any:
    if setting.offered:
        titles = [(_title(setting, value), value) for value in setting.offered]
        box = ComboBox(choices=titles)
        keep_narrow(box.native)
        return box
    if setting.kind is bool:
        return CheckBox(text=setting.label)
    if setting.kind in (int, float):
        return _number(setting)
    line = LineEdit()
    if setting.optional:
        line.native.setPlaceholderText(setting.unset)
    return line


def _number(setting: Setting) -> Any:
    low = 0 if setting.low is None else setting.low
    high = MOST if setting.high is None else setting.high
    if setting.slider:
        return FloatSlider(min=low, max=high, step=0.01)
    step = 1 if setting.kind is int else setting.step
    if setting.kind is int and not setting.optional:
        box = SpinBox(min=low, max=high, step=1)
    else:
        box = FloatSpinBox(min=low - step * setting.optional, max=min(high, MOST_EXACT), step=step)
    if setting.optional:
        # The box of whole numbers of any size has no text for a value left open.
        box.native.setSpecialValueText(setting.unset)
        if setting.kind is int:
            box.native.setDecimals(0)
    if setting.unit and hasattr(box.native, "setSuffix"):
        box.native.setSuffix(f" {setting.unit}")
    return box


class SettingRows(Mapping[str, SettingRow]):
    """Rows for the settings of a method, by name, some of them folded away.

    Parameters
    ----------
    kind
        Class of the settings.
    others
        Names of settings that the form shows in its own way.
    on_change
        Called when a control changed.
    """

    def __init__(self, kind: type[Settings], others: tuple[str, ...], on_change: Callable[[], None]) -> None:
        self._kind = kind
        self._layouts: dict[str, QFormLayout] = {}
        self._idle: set[str] = set()
        self._rows = {
            setting.name: SettingRow(setting)
            for setting in settings_of(kind)
            if setting.name not in others and not setting.hidden
        }
        for row in self._rows.values():
            row.widget.changed.connect(lambda _: on_change())

    def __getitem__(self, name: str) -> SettingRow:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def add_to(self, main: QFormLayout, advanced: QFormLayout) -> None:
        """Put the rows into a form, in the order of their declaration."""
        for name, row in self._rows.items():
            layout = advanced if row.setting.advanced or not row.setting.decides else main
            add_row(layout, row.label, row.field)
            self._layouts[name] = layout

    def show_for(self, mode: Any) -> None:
        """Show what counts in a mode; of the rest nothing is chosen."""
        self._idle = {name for name, row in self._rows.items() if not row.setting.counts_in(mode)}
        for name, row in self._rows.items():
            self.show(name, row.setting.counts_in(mode))
            row.rest(self._why_not(row.setting))

    def _why_not(self, setting: Setting) -> str:
        """Why a setting does nothing beside another one that is chosen."""
        other = self._rows.get(setting.unless)
        if other is None or setting.unless in self._idle or other.value == other.setting.default:
            return ""
        return f"Not together with {other.setting.label}: with {_title(other.setting, other.value)!r} it does nothing."

    def show(self, name: str, visible: bool) -> None:
        """Show or hide one row."""
        show_row(self._layouts[name], self._rows[name].field, visible)

    def values(self) -> dict[str, Any]:  # type: ignore[override]
        """What is chosen, by name."""
        return {
            name: row.setting.default if name in self._idle else row.value for name, row in self._rows.items()
        }

    def apply(self, settings: Any) -> None:
        """Choose what settings say."""
        for name, row in self._rows.items():
            row.value = getattr(settings, name)
