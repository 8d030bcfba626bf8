"""Tables survive an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.evaluate.statistics import compared, median_test, spread_of
from napari_diffuscope.evaluate.tables import Table


def table(folder: Path) -> Table:
    return Table(folder / "t.csv", ("name", "value"), ("name",))


def test_rows_come_back_and_later_ones_replace_earlier(tmp_path: Path) -> None:
    first = table(tmp_path)
    first.add([{"name": "a, with comma", "value": 1 / 3}, {"name": "b", "value": 2}])
    first.add([{"name": "b", "value": 5}])
    assert table(tmp_path).rows == first.rows
    assert [row["value"] for row in first.rows] == ["0.333333", "5"]


def test_a_row_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    table(tmp_path).add([{"name": "a", "value": 1}, {"name": "b", "value": 2}])
    path = tmp_path / "t.csv"
    path.write_bytes(path.read_bytes()[:-1])
    again = table(tmp_path)
    assert [row["name"] for row in again.rows] == ["a"]
    again.add([{"name": "c", "value": 3}])
    assert [row["name"] for row in table(tmp_path).rows] == ["a", "c"]


def test_rows_are_dropped_from_the_file(tmp_path: Path) -> None:
    made = table(tmp_path)
    made.add([{"name": "a", "value": 1}, {"name": "b", "value": 2}])
    made.drop(lambda row: row["name"] == "a")
    assert [row["name"] for row in table(tmp_path).rows] == ["b"]


def test_median_test_and_wins() -> None:
    rng = np.random.default_rng(0)
    better, worse = rng.normal(2, 1, 60), rng.normal(0, 1, 60)
    found = compared(list(better), list(worse))
    assert found.count == 60
    assert found.wins == int((better > worse).sum())
    assert found.p < 1e-4
    assert found.p_sign < 1e-4
    assert found.difference == pytest.approx(2, abs=0.6)
    same = compared(list(better), list(better))
    assert same.wins == 0
    assert np.isnan(same.p_sign)
    assert np.isnan(median_test(np.ones(4), np.ones(4)))


def test_spread_leaves_out_what_is_not_finite() -> None:
    found = spread_of([1.0, 2.0, 3.0, 4.0, float("inf")])
    assert found is not None
    assert (found.count, found.median, found.low, found.high, found.mean) == (4, 2.5, 1.75, 3.25, 2.5)
    assert spread_of([float("nan")]) is None
