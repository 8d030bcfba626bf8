"""What the card of a generator says: classes, density, units."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.card_parts import Density, ValueScale

CARD = ModelCard(
    "filaments",
    "Filaments",
    "Draws filaments.",
    "generate",
    NetworkSpec("local-unet", {"classes": 2, "condition_channels": 0}),
    DiffusionSpec("v", ScheduleSpec("continuous-cosine")),
    condition_channels=0,
    classes=("microtubules", "mitochondria"),
    density=Density(0.1, 0.5, "share of bright pixels"),
    values=ValueScale(0, 20, "localisations per pixel", power=2.0),
)


def test_a_card_comes_back_from_its_file_as_it_was() -> None:
    assert parse(ModelCard, CARD.to_dict(), "model.json") == CARD


def test_the_former_name_of_the_task_is_understood() -> None:
    assert parse(ModelCard, {**CARD.to_dict(), "task": "generation"}, "model.json").task == "generate"


def test_classes_without_names_go_by_their_numbers() -> None:
    assert replace(CARD, classes=()).classes == ("0", "1")


@pytest.mark.parametrize("classes", [("one",), ("same", "same"), ("a", "b", "c"), ("", "b")])
def test_names_that_do_not_fit_the_network_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(DiffuscopeError, match=r"classes .* name for each of the 2 classes"):
        replace(CARD, classes=classes)


def test_a_density_is_told_as_a_share_of_its_range_and_none_as_zeros() -> None:
    assert CARD.density is not None
    assert CARD.density.numbers(None) == (0.0, 0.0)
    assert CARD.density.numbers(0.3) == pytest.approx((1.0, 0.0))
    assert CARD.density.numbers(0.5) == pytest.approx((1.0, 1.0))
    with pytest.raises(DiffuscopeError):
        Density(0.5, 0.1, "upside down")
