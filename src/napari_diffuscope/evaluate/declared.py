"""What is declared of an evaluation, and what the settings of all of them share. Free of torch and numpy."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Any, ClassVar

from napari_diffuscope.methods.common_settings import MOST_SAMPLES, MOST_SEED, MOST_STEPS
from napari_diffuscope.methods.declared import Settings, declared

READ = ("data", "recipe", "models", "inception", "dinov2")
"""Settings that name what is read."""


class EvaluationSettings(Settings):
    """Base of the settings of an evaluation: what is tested, in its field ``data``, and how."""

    LATER: ClassVar[tuple[str, ...]] = ("models", "device")
    """Settings that may be others when an evaluation is gone on with: no row that is there depends on them."""

    def facts(self) -> dict[str, Any]:
        """What every row of the tables depends on, as JSON knows it."""
        values = {name: value for name, value in self.to_dict().items() if name not in self.LATER}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def places(self) -> tuple[str, ...]:
        """Files, folders and models that are read, by the names that the user gave."""
        named = (getattr(self, field, None) or () for field in READ)
        return tuple(place for each in named for place in ((each,) if isinstance(each, str) else each))


@dataclass(frozen=True)
class Evaluation:
    """One kind of evaluation; :mod:`napari_diffuscope.evaluate.harness` runs it.

    Parameters
    ----------
    name
        Its command, named as the method that it measures.
    summary
        What it does, for people.
    settings
        Class of its settings.
    findings
        Where the function is that does the work: ``"package.module:function"``, ``(settings, out)`` to a job whose
        result are :class:`~napari_diffuscope.evaluate.harness.Findings`.
    report
        File name of its report.
    before
        Where the function is that makes what the work needs, if anything: ``(settings, out)`` to a job whose result
        says whether the work can begin. Several processes may run it at the same time.
    former
        Names of its command in earlier versions.
    """

    name: str
    summary: str
    settings: type[EvaluationSettings]
    findings: str
    report: str
    before: str | None = None
    former: tuple[str, ...] = ()


def data(help: str, default: Any = MISSING) -> Any:
    """What is tested."""
    return declared(default, "DATA", help)


def models(help: str = "Name or path; repeat for several.") -> Any:
    """Models under test."""
    return declared((), "Models", help)


def samples(default: int, help: str) -> Any:
    """How many samples are drawn, at least two."""
    return declared(default, "Samples", help, low=2, high=MOST_SAMPLES)


def steps(default: int) -> Any:
    """Network evaluations of a sample."""
    return declared(default, "Steps", "Network evaluations per sample.", low=1, high=MOST_STEPS)


def seed(help: str) -> Any:
    """Start of all random numbers."""
    return declared(0, "Seed", help, low=0, high=MOST_SEED)


def whole(default: int | None, label: str, help: str, low: int, **more: Any) -> Any:
    """A whole number from ``low`` on."""
    return declared(default, label, help, low=low, **more)
