"""What a method is: one declared object, from which window, command line, Python, records and batches are made.

Free of torch. How to add one: ``docs/design.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.declared import Settings

if TYPE_CHECKING:
    from napari_diffuscope.methods.effort import Effort
    from napari_diffuscope.weights.card import ModelCard

Inputs = Mapping[str, Image]
"""Images that a method works on, by the name of the input."""

InputKind = Literal["image", "labels"]


IMAGES = "images"
"""Pieces of methods that make images one by one."""


@dataclass(frozen=True)
class Input:
    """Something that a method needs.

    Parameters
    ----------
    name
        ``image`` for the first; the option's name for others.
    help
        What it is for, one sentence.
    kind
        ``image``, or ``labels`` (whole numbers, 0 where nothing is).
    axes_use
        What the method does with the axes, one sentence; of images.
    optional
        Whether the method works without it as well; it is an option on the command line then.
    """

    name: str = "image"
    help: str = "The image to work on."
    kind: InputKind = "image"
    axes_use: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Output:
    """One output, known before a run starts.

    Parameters
    ----------
    name
        Such as ``restored``.
    spec
        Axes, shape, pixel type, steps, units and the place of the first element.
    label
        Added to the name of the input layer.
    origin
        Index in the input of the first element, along each axis; zeros by default.
    spread
        Whether it says how sure the others are: shown from zero, in colours of its own, below them.
    same_contrast
        Whether it is shown with the contrast of the input.
    """

    name: str
    spec: VolumeSpec
    label: str = ""
    origin: tuple[float, ...] = ()
    spread: bool = False
    same_contrast: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)
        object.__setattr__(self, "origin", self.origin or (0.0,) * len(self.spec.shape))

    @property
    def axes(self) -> str:
        """One letter per dimension."""
        return self.spec.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        return self.spec.shape

    @property
    def scale(self) -> tuple[float, ...]:
        """Distance between neighbours along each axis."""
        return self.spec.scale

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each step."""
        return self.spec.units

    @property
    def translate(self) -> tuple[float, ...]:
        """Position of the first element."""
        return self.spec.translate


@dataclass(frozen=True)
class Method:
    """A method.

    Parameters
    ----------
    name
        One word, used everywhere: command, task of models, folder, record.
    title
        Of its dock.
    summary
        One sentence for the command's help.
    settings
        Class of its settings.
    describe
        ``(inputs, settings)`` to its outputs; a function, or where it is: ``"package.module:function"``.
    job
        ``(work)`` to a job that writes the outputs; likewise, and imported only when a run begins.
    inputs
        What it needs, the image first; empty for a method that makes something of nothing.
    doing
        What a progress bar says before the name of the image: ``"Restoring"``.
    result
        What one result is called: ``"restoration"``.
    models_for
        What its models are for, as a sentence says it: ``"super-resolution"``; as ``result`` by default.
    former
        Names that it had in cards and records of earlier versions.
    beside
        Outputs that may get a file of their own name on the command line: ``("deviation",)``.
    block
        Whether the outputs are cut into ``planes`` or into blocks of a volume (``blocks``).
    pieces
        What of it several processes can make at the same time, if anything: ``"planes"``; its job gives them to
        `Work.each`.
    destination
        Class of where a run in files goes, see `napari_diffuscope.methods.storing.Destination`; where it is.
    storing
        What may be chosen of how results are written, declared as settings are.
    effort
        ``(inputs, settings, card)`` to how much work a run is, as an `Effort`; a function, or where it is. ``None``
        where nobody can tell. The card is that of the model, if the method has models.
    trial
        ``(inputs, settings, card)`` to the inputs and settings of a short run that tells how long evaluations take.
    empty_parts
        ``(inputs, settings)`` to a job that counts what is left out as empty (a `Skipped`), of methods whose settings
        have ``skip_below``.
    """

    name: str
    title: str
    summary: str
    settings: type[Settings]
    describe: str | Callable[[Inputs, Any], Sequence[Output]]
    job: str | Callable[[Any], Any]
    inputs: tuple[Input, ...] = (Input(),)
    doing: str = "Working on"
    result: str = "result"
    models_for: str = ""
    former: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    block: Literal["planes", "blocks"] = "planes"
    pieces: str = ""
    destination: str = "napari_diffuscope.methods.storing:FileDestination"
    storing: type[Settings] | None = None
    effort: str | Callable[[Inputs, Any, Any], Effort] | None = None
    trial: str | Callable[[Inputs, Any, Any], tuple[Inputs, Any]] | None = None
    empty_parts: str | Callable[[Inputs, Any], Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "models_for", self.models_for or self.result)

    def outputs(self, inputs: Inputs, settings: Any) -> tuple[Output, ...]:
        """Outputs in the order in which they should be shown.

        Raises
        ------
        DiffuscopeError
            If the inputs do not suit the settings.
        """
        return tuple(loaded(self.describe)(inputs, settings))

    def effort_of(self, inputs: Inputs, settings: Any, card: ModelCard | None) -> Effort:
        """How much work a run is; of a method that can tell.

        Raises
        ------
        DiffuscopeError
            If the inputs do not suit the settings.
        """
        assert self.effort is not None
        effort: Effort = loaded(self.effort)(inputs, settings, card)
        return effort

    def trial_of(self, inputs: Inputs, settings: Any, card: ModelCard | None) -> tuple[Inputs, Any]:
        """Inputs and settings of a short run; of a method that has one.

        Raises
        ------
        DiffuscopeError
            If the inputs do not suit the settings.
        """
        assert self.trial is not None
        inputs, settings = loaded(self.trial)(inputs, settings, card)
        return inputs, settings

    @property
    def image(self) -> Input | None:
        """The input that the outputs belong to."""
        return next((each for each in self.inputs if each.kind == "image" and not each.optional), None)

    @property
    def others(self) -> tuple[Input, ...]:
        """The other inputs."""
        return tuple(each for each in self.inputs if each is not self.image)


def loaded(place: str | Callable[..., Any]) -> Callable[..., Any]:
    """A function, or the one at ``"package.module:function"``."""
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


class Registry(Mapping[str, Method]):
    """Methods by name; names of earlier versions are understood."""

    def __init__(self, methods: Sequence[Method] = ()) -> None:
        self._methods = {method.name: method for method in methods}

    def add(self, method: Method) -> Method:
        """Register a method, for good."""
        self._methods[method.name] = method
        return method

    def remove(self, name: str) -> None:
        """Forget a method."""
        del self._methods[name]

    def __getitem__(self, name: str) -> Method:
        for method in self._methods.values():
            if name == method.name or name in method.former:
                return method
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._methods)

    def __len__(self) -> int:
        return len(self._methods)

    def of_record(self, record: Mapping[str, Any]) -> Method:
        """The method that made a result.

        Raises
        ------
        DiffuscopeError
            If the record names none that is known.
        """
        name = str(record.get("method", ""))
        if name not in self:
            raise DiffuscopeError(
                f"The record is of the method {name!r}, which is not known here; known are {', '.join(self)}."
            )
        return self[name]
