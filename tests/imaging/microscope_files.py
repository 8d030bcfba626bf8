"""Small files as microscopes write them: CZI by Zeiss' own library, LIF by the layout that Leica published."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_ROOM = "x" * 600
"""Stands in the title of a file until its scenes are named there: Zeiss' library writes no names of scenes."""


def write_czi(
    path: Path,
    scenes: Sequence[np.ndarray],
    *,
    names: Sequence[str] = (),
    channels: Sequence[str] = (),
    pixel: float = 0.1,
    z_step: float = 0.3,
) -> Path:
    """Stacks of shape (T, C, Z, Y, X), each a scene; lengths in µm."""
    from pylibCZIrw import czi

    with czi.create_czi(str(path)) as document:
        for number, stack in enumerate(scenes):
            for t, c, z in np.ndindex(stack.shape[:3]):
                plane = {"T": t, "C": c, "Z": z}
                where = {"scene": number, "location": (number * 500, 0)} if len(scenes) > 1 else {}
                document.write(data=stack[t, c, z][..., None], plane=plane, **where)
        document.write_metadata(
            document_name=_ROOM,
            channel_names=dict(enumerate(channels)),
            scale_x=pixel * 1e-6,
            scale_y=pixel * 1e-6,
            scale_z=z_step * 1e-6,
        )
    if names:
        _name_scenes(path, names)
    return path


def _name_scenes(path: Path, names: Sequence[str]) -> None:
    """Put names of scenes where the microscope's program puts them, leaving the length of the description as it is."""
    data = path.read_bytes()
    listed = "".join(f'<Scene Index="{number}" Name="{name}"/>' for number, name in enumerate(names))
    added = f"<S><Scenes>{listed}</Scenes></S>".encode()
    assert len(added) <= len(_ROOM)
    data = data.replace(b"<Dimensions>", b"<Dimensions>" + added, 1)
    path.write_bytes(data.replace(_ROOM.encode(), _ROOM[len(added) :].encode(), 1))


def write_lif(
    path: Path,
    images: dict[str, np.ndarray],
    *,
    channels: Sequence[str],
    pixel: float = 0.1,
    z_step: float = 0.3,
) -> Path:
    """Stacks of shape (C, Z, Y, X) by name, 16 bits; lengths in µm."""
    elements, blocks = [], []
    for number, (name, stack) in enumerate(images.items()):
        elements.append(_element(name, f"MemBlock_{number}", stack, channels, pixel, z_step))
        blocks.append(_block(f"MemBlock_{number}", np.ascontiguousarray(stack.transpose(1, 0, 2, 3), "<u2")))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="Project" Visibility="1" CopyOption="1" UniqueID="0"><Data>'
        '<Experiment Path="Project.lif"/></Data><Memory Size="0" MemoryBlockID="MemBlock_none"/><Children>'
        f"{''.join(elements)}</Children></Element></LMSDataContainerHeader>"
    )
    text = xml.encode("utf-16-le")
    head = b"\x2a" + struct.pack("<i", len(xml)) + text
    path.write_bytes(struct.pack("<ii", 0x70, len(head)) + head + b"".join(blocks))
    return path


def _block(name: str, pixels: np.ndarray) -> bytes:
    head = (
        b"\x2a"
        + struct.pack("<q", pixels.nbytes)
        + b"\x2a"
        + struct.pack("<i", len(name))
        + name.encode("utf-16-le")
    )
    return struct.pack("<ii", 0x70, len(head)) + head + pixels.tobytes()


def _element(
    name: str, block: str, stack: np.ndarray, channels: Sequence[str], pixel: float, z_step: float
) -> str:
    count, depth, height, width = stack.shape
    plane = height * width * 2
    described = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="1" '
        f'Unit="" LUTName="{channel}" IsLUTInverted="0" BytesInc="{number * plane}" BitInc="0"/>'
        for number, channel in enumerate(channels)
    )
    axes = ((1, width, pixel, 2), (2, height, pixel, width * 2), (3, depth, z_step, plane * count))
    dimensions = "".join(
        f'<DimensionDescription DimID="{number}" NumberOfElements="{length}" Origin="0" '
        f'Length="{step * 1e-6 * (length - 1):.12e}" Unit="m" BitInc="0" BytesInc="{increment}"/>'
        for number, length, step, increment in axes
    )
    return (
        f'<Element Name="{name}" Visibility="1" CopyOption="1" UniqueID="{block}"><Data><Image TextDescription="">'
        f"<ImageDescription><Channels>{described}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>"
        f'</Image></Data><Memory Size="{stack.size * 2}" MemoryBlockID="{block}"/><Children/></Element>'
    )
