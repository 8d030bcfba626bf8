"""What settings that a trainer saved beside the weights say, in the words of other codes. Free of torch.

They are hints: names mean different things in different codes, so they make answers likely and decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADS = ("num_heads", "n_heads", "heads", "attn_heads")
_HEAD_CHANNELS = ("num_head_channels", "head_channels", "channels_per_head", "dim_head", "attn_dim_head")
_SCHEDULE = (
    "noise_schedule",
    "beta_schedule",
    "schedule",
    "schedule_name",
    "var_sched",
    "beta_schedule_type",
)
_COUNT = (
    "diffusion_steps", "timesteps", "num_timesteps", "num_train_timesteps", "num_diffusion_timesteps", "n_timestep",
    "n_timesteps", "noise_steps", "train_timesteps",
)  # fmt: skip
_FIRST = ("linear_start", "beta_start", "beta_1", "beta1_schedule", "beta_min")
_LAST = ("linear_end", "beta_end", "beta_t", "beta_max")
_PREDICTION = (
    "objective",
    "parameterization",
    "prediction_type",
    "predict",
    "model_mean_type",
    "mean_type",
    "pred_type",
)

_KINDS = {
    "linear": "linear",
    "cosine": "cosine",
    "squaredcos_cap_v2": "cosine",
    "sigmoid": "sigmoid",
    "scaled_linear": "scaled-linear",
}
_PREDICTIONS = {
    "pred_noise": "epsilon", "eps": "epsilon", "epsilon": "epsilon", "noise": "epsilon",
    "pred_x0": "x0", "x0": "x0", "sample": "x0", "start_x": "x0", "xstart": "x0", "x_start": "x0",
    "pred_v": "v", "v": "v", "v_prediction": "v", "velocity": "v",
}  # fmt: skip


def hinted_heads(settings: Mapping[str, Any]) -> tuple[str, int, str] | None:
    """``heads`` or ``head_channels``, the number, and the name of the setting that says so."""
    for entry, names in (("head_channels", _HEAD_CHANNELS), ("heads", _HEADS)):
        for name in names:
            value = settings.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 4096:
                return entry, value, name
    return None


def hinted_prediction(settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """What the network predicts, and the name of the setting that says so."""
    for name in _PREDICTION:
        value = settings.get(name)
        if isinstance(value, str) and value.lower() in _PREDICTIONS:
            return _PREDICTIONS[value.lower()], name
    return None


def hinted_schedule(settings: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Entries of a noise schedule, and the name of the setting that says so; ``None`` where nothing is said."""
    said: dict[str, Any] = {}
    names = []
    for name in _SCHEDULE:
        value = settings.get(name)
        if isinstance(value, str) and value.lower() in _KINDS:
            said["kind"] = _KINDS[value.lower()]
            names.append(name)
            break
    for name in _COUNT:
        value = settings.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 100_000:
            said["count"] = value
            names.append(name)
            break
    ends = [_first_beta(settings, names) for names in (_FIRST, _LAST)]
    if None not in ends and said.get("kind", "linear") in ("linear", "scaled-linear"):
        said["betas"] = ends
        names.append("β")
    return (said, ", ".join(names)) if said else None


def _first_beta(settings: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    values = (settings.get(name) for name in names)
    return next((value for value in values if isinstance(value, float) and 0 < value < 1), None)
