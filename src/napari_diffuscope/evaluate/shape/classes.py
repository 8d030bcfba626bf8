"""Which class a cell belongs to: do predicted shapes help where few cells of a class were seen?

The protocol of Waibel et al., ISBI 2023 (arXiv 2208.14125): a random forest on features, with and without features
of predicted shapes for the classes with few cells. Repeated stratified splits; a shape is predicted by a model that
never saw the cell; what is added to a class comes from cells of the training part alone and is never tested on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from napari_diffuscope.errors import DiffuscopeError

SPLITS = 5


def check_installed() -> None:
    """Refuse to classify without scikit-learn.

    Raises
    ------
    DiffuscopeError
        If it is not installed.
    """
    if not _installed():
        raise DiffuscopeError(
            "Classifying cells needs scikit-learn: pip install 'napari-diffuscope[classify]', or go without "
            "(--no-classify)."
        )


def _installed() -> bool:
    try:
        return find_spec("sklearn") is not None
    except ValueError:  # a module that was blocked has no specification
        return False


@dataclass(frozen=True)
class Protocol:
    """A way to learn classes.

    Parameters
    ----------
    name
        For tables.
    features
        ``(cells, features)``: of every cell, in training as in test.
    added
        Per cell, rows ``(k, features)`` that may be added in training if the cell is of a class with few cells;
        ``None`` adds nothing.
    """

    name: str
    features: np.ndarray
    added: Sequence[np.ndarray] | None = None


@dataclass(frozen=True)
class Scores:
    """Macro-F1 of the repeats of a protocol, and F1 of each class, as means over repeats.

    Parameters
    ----------
    name
        Of the protocol.
    macro
        One value for each repeat.
    each
        By class.
    """

    name: str
    macro: tuple[float, ...]
    each: Mapping[str, float]


def splits_of(classes: Sequence[str]) -> int:
    """Number of parts that every class can be split into; 0 where there are too few cells or classes."""
    counts = [list(classes).count(kind) for kind in set(classes)]
    return min(SPLITS, *counts) if len(counts) > 1 and min(counts) > 1 else 0


def few(classes: Sequence[str]) -> tuple[str, ...]:
    """Classes with fewer cells than the mean over classes."""
    kinds = sorted(set(classes))
    counts = {kind: list(classes).count(kind) for kind in kinds}
    return tuple(kind for kind in kinds if counts[kind] < len(classes) / len(kinds))


def training_rows(
    protocol: Protocol, classes: np.ndarray, training: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features and classes to learn from: those of the training cells, and what is added to classes with few cells.

    Parameters
    ----------
    protocol
        What is added.
    classes
        ``(cells,)``.
    training
        Numbers of the training cells; nothing of another cell is used.
    rng
        Decides which rows are added: as many as bring a class to the size of the largest, at most all there are.
    """
    rows, kinds = [protocol.features[training]], [classes[training]]
    if protocol.added is not None:
        largest = max(int((classes[training] == kind).sum()) for kind in set(classes))
        for kind in few(list(classes)):
            members = training[classes[training] == kind]
            candidates = np.concatenate([protocol.added[cell] for cell in members])
            wanted = min(largest - len(members), len(candidates))
            chosen = rng.permutation(len(candidates))[:wanted]
            rows.append(candidates[chosen])
            kinds.append(np.full(len(chosen), kind))
    return np.concatenate(rows), np.concatenate(kinds)


def classify(
    protocols: Sequence[Protocol], classes: Sequence[str], *, repeats: int, trees: int, seed: int
) -> Iterator[tuple[str, str] | tuple[Scores, ...]]:
    """Score all protocols on the same splits; in each repeat every cell is tested once.

    Parameters
    ----------
    protocols
        What is compared.
    classes
        Of the cells.
    repeats
        Number of repeats.
    trees
        Of each forest.
    seed
        Of splits and forests.

    Yields
    ------
    tuple
        Before each repeat and protocol two words for a message; at last the scores.
    """
    from sklearn.metrics import f1_score
    from sklearn.model_selection import RepeatedStratifiedKFold

    truth, parts = np.asarray(classes), splits_of(classes)
    kinds = sorted(set(classes))
    folds = RepeatedStratifiedKFold(n_splits=parts, n_repeats=repeats, random_state=seed)
    splits = list(folds.split(truth, truth))
    macro: dict[str, list[float]] = {protocol.name: [] for protocol in protocols}
    each: dict[str, list[np.ndarray]] = {protocol.name: [] for protocol in protocols}
    for repeat in range(repeats):
        for protocol in protocols:
            yield protocol.name, f"{repeat + 1} of {repeats}"
            predicted = np.empty_like(truth)
            for number, (training, test) in enumerate(splits[repeat * parts : (repeat + 1) * parts]):
                predicted[test] = _forest(protocol, truth, training, test, trees, (seed, repeat, number))
            per_class = f1_score(truth, predicted, labels=kinds, average=None, zero_division=0)
            macro[protocol.name].append(float(per_class.mean()))
            each[protocol.name].append(per_class)
    yield tuple(
        Scores(
            protocol.name,
            tuple(macro[protocol.name]),
            dict(zip(kinds, np.mean(each[protocol.name], 0).tolist(), strict=True)),
        )
        for protocol in protocols
    )


def _forest(
    protocol: Protocol,
    classes: np.ndarray,
    training: np.ndarray,
    test: np.ndarray,
    trees: int,
    key: tuple[int, int, int],
) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(key)
    rows, kinds = training_rows(protocol, classes, training, rng)
    forest = RandomForestClassifier(trees, random_state=int(rng.integers(2**31)))
    return np.asarray(forest.fit(rows, kinds).predict(protocol.features[test]))
