"""What a pickle is read into instead of objects, and names that give a malicious one away. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Inert:
    """An object of a class that is not built: what it would have been made of.

    Parameters
    ----------
    kind
        Its class, or the function that would have been called.
    arguments, state, items
        What would have been handed to it.
    """

    kind: Any
    arguments: Any = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    def __str__(self) -> str:
        return f"an object made by {self.kind}"


@dataclass(frozen=True)
class StorageRecord:
    """A run of numbers in the file: their type as torch names it (``FloatStorage``), key, and count."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class TensorRecord:
    """A tensor in the file: a strided view of a storage, counted in elements."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class MalformedPickle(Exception):
    """The bytes are no pickle, or one that ends early or contradicts itself."""


# Only for the wording of the error: nothing that a pickle names is ever called.
_CODE_MODULES = """
    os posix nt subprocess sys runpy importlib imp pkgutil shutil socket pickle _pickle cPickle dill
    cloudpickle joblib marshal code codeop pty ctypes _ctypes multiprocessing webbrowser asyncio commands
    popen2 platform signal timeit pdb bdb trace pydoc types urllib http requests tempfile zipimport
"""
_CODE_BUILTINS = "eval exec execfile compile __import__ open file input breakpoint setattr delattr apply"
_CODE_FUNCTIONS = (
    "io.open",
    "_io.open",
    "torch.load",
    "torch.serialization.load",
    "numpy.load",
    "operator.methodcaller",
)
_CODE_PREFIXES = ("torch.hub", "torch.jit", "torch.package", "torch.utils.cpp_extension", "torch._dynamo")

CODE_MODULES = frozenset(_CODE_MODULES.split())
CODE_NAMES = frozenset(
    f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _CODE_BUILTINS.split()
).union(_CODE_FUNCTIONS)


def runs_code(name: Name) -> bool:
    """Whether a class or function can only be in a pickle to run code when it is opened."""
    if name.module.split(".")[0] in CODE_MODULES or name.module.startswith(_CODE_PREFIXES):
        return True
    return f"{name.module}.{name.name.split('.')[0]}" in CODE_NAMES
