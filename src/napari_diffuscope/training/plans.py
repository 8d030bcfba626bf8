"""How long and how fast is learned where nobody says otherwise. Free of torch."""

from __future__ import annotations

from dataclasses import replace

from napari_diffuscope.training.recipe import Optimisation

FRESH = Optimisation(
    steps=8000,
    learning_rate=1e-2,
    decay_from=0.25,
    ema=0.998,
    validate_every=250,
    checkpoint_every=250,
    patience=12,
    min_gain=0.02,
    compiled="off",  # it would keep a window waiting
)
"""From random weights. Stops after 3,000 steps without a gain."""

FINE_TUNING = replace(
    FRESH, steps=2000, learning_rate=2e-3, validate_every=100, checkpoint_every=100, patience=6
)
"""From a model that denoises already. Stops after 600 steps without a gain."""

LOOKS = (4, 20)
"""Validations of a training whose length was chosen: least and most."""

PATIENCE = LOOKS[1] * 3 // 4
"""Validations without a gain after which such a training ends; much is gained while the learning rate falls."""


def in_minutes(plan: Optimisation, minutes: float) -> Optimisation:
    """A plan for a time: the learning rate falls to zero at its end, and the best weights are kept."""
    looks = min(max(round(2 * minutes), LOOKS[0]), LOOKS[1])  # each takes seconds, whatever the length
    return replace(
        plan,
        time_budget_minutes=minutes,
        every_minutes=minutes / looks,
        patience=looks * 3 // 4,
        ema=min(plan.ema, 0.995),
    )


def in_steps(plan: Optimisation, steps: int) -> Optimisation:
    """A plan for a number of steps; short ones warm up and average over less."""
    every = max(1, steps // LOOKS[1])
    return replace(
        plan,
        steps=steps,
        validate_every=every,
        checkpoint_every=every,
        patience=PATIENCE,
        warmup=min(plan.warmup, max(1, steps // 10)),
        ema=min(plan.ema, max(0.5, 1 - 10 / steps)),
    )
