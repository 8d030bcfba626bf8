"""What to do about a file that cannot be used, in the same words wherever one is refused."""

from __future__ import annotations

GET_AGAIN = "get the file again"
GET_MODEL_AGAIN = "get the model again from where it came from"
CHOOSE_WEIGHTS = "choose the file with the trained network (.pt, .pth, .ckpt or .safetensors)"
SAVE_WEIGHTS = "ask who made it for the weights alone: torch.save(network.state_dict(), 'weights.pt')"
ITS_OWN_CODE = "run it with the code that it came with"


def refused(file: object, error: Exception, way_on: str) -> str:
    """A sentence about a file, from one about what is in it and what to do.

    Parameters
    ----------
    file
        What to call the file.
    error
        What is wrong with its content.
    way_on
        What to do.
    """
    what = str(error).rstrip(".")
    return f"{file} cannot be used: {what[:1].lower()}{what[1:]}; {way_on}."


def with_way_on(error: Exception | str, way_on: str) -> str:
    """A sentence, and what to do where it does not say so: behind a semicolon, as everywhere."""
    sentence = str(error)
    return sentence if ";" in sentence else f"{sentence.rstrip('.')}; {way_on}."
