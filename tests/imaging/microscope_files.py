"""Small files as microscopes write them: CZI by Zeiss' own library, LIF and ND2 by the layout that readers know."""

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
    interval: float | None = None,
) -> Path:
    """Stacks of shape (T, C, Z, Y, X), each a scene; lengths in µm, the interval of times in seconds."""
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
    if names or interval:
        _add(path, names, interval)
    return path


def _add(path: Path, names: Sequence[str], interval: float | None) -> None:
    """Put what the library does not write where the microscope's program does; the description stays as long."""
    data = path.read_bytes()
    listed = "".join(f'<Scene Index="{number}" Name="{name}"/>' for number, name in enumerate(names))
    times = (
        f"<T><Positions><Interval><Increment>{interval}</Increment></Interval></Positions></T>"
        if interval
        else ""
    )
    added = ((f"<S><Scenes>{listed}</Scenes></S>" if names else "") + times).encode()
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
    interval: float = 1.0,
) -> Path:
    """Stacks of shape (T, C, Z, Y, X) by name, 16 bits; lengths in µm, the interval of times in seconds."""
    elements, blocks = [], []
    for number, (name, stack) in enumerate(images.items()):
        elements.append(_element(name, f"MemBlock_{number}", stack, channels, (pixel, z_step, interval)))
        blocks.append(
            _block(f"MemBlock_{number}", np.ascontiguousarray(stack.transpose(0, 2, 1, 3, 4), "<u2"))
        )
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
    name: str, block: str, stack: np.ndarray, channels: Sequence[str], steps: tuple[float, float, float]
) -> str:
    times, count, depth, height, width = stack.shape
    plane = height * width * 2
    described = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="1" '
        f'Unit="" LUTName="{channel}" IsLUTInverted="0" BytesInc="{number * plane}" BitInc="0"/>'
        for number, channel in enumerate(channels)
    )
    pixel, z_step, interval = steps
    axes = [
        (1, width, pixel * 1e-6, "m", 2),
        (2, height, pixel * 1e-6, "m", width * 2),
        (3, depth, z_step * 1e-6, "m", plane * count),
        (4, times, interval, "s", plane * count * depth),
    ]
    dimensions = "".join(
        f'<DimensionDescription DimID="{number}" NumberOfElements="{length}" Origin="0" '
        f'Length="{step * (length - 1):.12e}" Unit="{unit}" BitInc="0" BytesInc="{increment}"/>'
        for number, length, step, unit, increment in axes
        if length > 1
    )
    return (
        f'<Element Name="{name}" Visibility="1" CopyOption="1" UniqueID="{block}"><Data><Image TextDescription="">'
        f"<ImageDescription><Channels>{described}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>"
        f'</Image></Data><Memory Size="{stack.size * 2}" MemoryBlockID="{block}"/><Children/></Element>'
    )


def write_nd2(
    path: Path,
    positions: dict[str, np.ndarray],
    *,
    channels: Sequence[str],
    pixel: float | None = 0.1,
    z_step: float = 0.3,
    interval: float = 1.0,
    frames: int | None = None,
) -> Path:
    """Stacks of shape (T, C, Z, Y, X) by the name of their position, 16 bits, in the older layout of Nikon's files.

    Lengths in µm, the interval of times in seconds. ``frames`` are written, all by default: an acquisition is stopped.
    """
    stacks = np.stack(list(positions.values()))
    times, count, depth, height, width = stacks.shape[1:]
    pictures = stacks.transpose(1, 0, 3, 4, 5, 2).reshape(-1, height, width, count)
    planned, pictures = len(pictures), pictures[:frames]
    attributes = {"uiWidth": width, "uiHeight": height, "uiWidthBytes": width * count * 2, "uiComp": count,
                  "uiBpcInMemory": 16, "uiBpcSignificant": 16, "uiSequenceCount": len(pictures), "eCompression": 2,
                  "uiTileWidth": width, "uiTileHeight": height}  # fmt: skip
    probe = {
        "pFluorescentProbe": {"m_ExcitationSpectrum": {"uiCount": 0}, "m_EmissionSpectrum": {"uiCount": 0}}
    }
    planes = {
        f"a{number}": {"sDescription": name, "uiCompCount": 1, **probe}
        for number, name in enumerate(channels)
    }
    calibration = {"bCalibrated": pixel is not None, "dCalibration": pixel or 1.0}
    picture = {**calibration, "sPicturePlanes": {"uiCount": len(channels), "sPlaneNew": planes}}
    points = {
        f"p{number}": {"dPosX": 0.0, "dPosY": 0.0, "dPosName": name} for number, name in enumerate(positions)
    }
    loops = [
        (1, {"uiCount": times, "dStart": 0.0, "dPeriod": interval * 1e3, "dDuration": 0.0}, times),
        (2, {"uiCount": len(positions), "Points": points}, len(positions)),
        (4, {"uiCount": depth, "dZStep": z_step, "dZLow": 0.0, "dZHigh": z_step * (depth - 1)}, depth),
    ]
    chunks = {
        "ImageAttributes!": _variant(attributes),
        "ImageMetadataSeq|0!": _variant(picture),
        "ImageMetadata!": _variant(_nested([loop for loop in loops if loop[2] > 1])),
        "CustomData|AcqTimesCache!": np.arange(planned, dtype="<f8").tobytes(),
    }
    chunks |= {f"ImageDataSeq|{number}!": bytes(8) + one.tobytes() for number, one in enumerate(pictures)}
    _write_chunks(path, chunks)
    return path


def _nested(loops: Sequence[tuple[int, dict[str, object], int]]) -> dict[str, object]:
    if not loops:
        return {}
    (kind, values, _), *inner = loops
    found: dict[str, object] = {"eType": kind, "uLoopPars": values}
    return found | ({"ppNextLevelEx": {"no_name": _nested(inner)}} if inner else {})


def _variant(values: dict[str, object]) -> bytes:
    return f"<variant><no_name>{_xml(values)}</no_name></variant>".encode()


def _xml(values: dict[str, object]) -> str:
    kinds = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}
    return "".join(
        f"<{name}>{_xml(value)}</{name}>"
        if isinstance(value, dict)
        else f'<{name} runtype="{kinds[type(value)]}" value="{value}"/>'
        for name, value in values.items()
    )


def _write_chunks(path: Path, chunks: dict[str, bytes]) -> None:
    """A signature, chunks at known places, their map, and where that is."""
    data = struct.pack("<IIQ32s64s", 0x0ABECEDA, 32, 64, b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1")
    listed = b""
    for name, content in chunks.items():
        data += bytes(-len(data) % 4096)
        listed += name.encode() + struct.pack("<QQ", len(data), len(content))
        data += (
            struct.pack("<IIQ", 0x0ABECEDA, 4072, len(content)) + name.encode().ljust(4072, b"\0") + content
        )
    data += bytes(-len(data) % 4096)
    place = len(data)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", place)
    listed += end
    data += struct.pack("<IIQ", 0x0ABECEDA, 32, len(listed)) + b"ND2 FILEMAP SIGNATURE NAME 0001!" + listed
    path.write_bytes(data)
