"""A reader of pickles that can build nothing but plain data. Free of torch.

A pickle is a program for a small stack machine, and Python's own unpickler imports and calls whatever it
names. This reader follows the same program but knows no import and no call: a class or function is only ever
a ``Name``, an object of an unknown class is an ``Inert`` record of how it would have been made, and a tensor
is a ``TensorRecord``, the description of a piece of the file. So the weights in a checkpoint can be read even
if hyper-parameters of classes that are not installed lie next to them.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.pickle_records import (
    Inert,
    MalformedPickle,
    Name,
    StorageRecord,
    TensorRecord,
    runs_code,
)
from napari_diffuscope.weights.ways_on import GET_AGAIN, SAVE_WEIGHTS

MOST_BYTES = 64 * 1024 * 1024


def read_pickle(data: bytes, where: str) -> Any:
    """Follow a pickle and return what it describes.

    Parameters
    ----------
    data
        The pickle.
    where
        Name of the file, for errors.

    Returns
    -------
    object
        ``dict``, ``list``, ``tuple``, ``set``, text, bytes and numbers; :class:`TensorRecord` for tensors;
        :class:`Name` and :class:`Inert` for all that would need code.

    Raises
    ------
    DiffuscopeError
        If it names something that runs code, is damaged, or too long.
    """
    if len(data) > MOST_BYTES:
        raise DiffuscopeError(
            f"{where} is not read: its table of contents has {len(data):,} bytes, too many for a model; {SAVE_WEIGHTS}."
        )
    try:
        return _Machine(where).run(data)
    except (
        MalformedPickle,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        OverflowError,
        RecursionError,
        AttributeError,
    ) as error:
        raise DiffuscopeError(
            f"{where} is damaged: its table of contents cannot be read ({error}); {GET_AGAIN}."
        ) from error


class _Machine:
    """Stack, marks and memo of one pickle."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _PUSH_ARGUMENT:
                self.push(argument)
                continue
            action = _ACTIONS.get(opcode.name)
            if action is None:
                raise MalformedPickle(f"unexpected instruction {opcode.name}")
            action(self, argument)
        raise MalformedPickle("it ends early")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def to_mark(self) -> list[Any]:
        """Take off what lies above the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def pop(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise MalformedPickle("its stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def name(self, module: Any, name: Any) -> Name:
        """A global, refused if it is there to run code."""
        if not (isinstance(module, str) and isinstance(name, str) and f"{module}{name}".isprintable()):
            raise MalformedPickle("a name is no text")
        full_name = Name(module, name)
        if runs_code(full_name):
            raise DiffuscopeError(
                f"{self.where} was refused: opening it the usual way would run {full_name}, which weights have "
                "no need of, but nothing of it was run; do not open it elsewhere, get the weights from their authors."
            )
        return full_name


def _mark(m: _Machine, _: Any) -> None:
    m.marks.append(m.stack)
    m.stack = []


def _pop_one(m: _Machine, _: Any) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.to_mark()


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise MalformedPickle("a key has no value")
    return list(zip(items[::2], items[1::2], strict=True))


def _set_items(m: _Machine, items: list[Any]) -> None:
    target = m.stack[-1]
    pairs = _pairs(items)
    if isinstance(target, dict):
        for key, value in pairs:
            target[_key(key)] = value
    elif isinstance(target, Inert):
        target.items.extend(pairs)
    else:
        raise MalformedPickle("entries are set on something that is no table")


def _append(m: _Machine, items: list[Any]) -> None:
    target = m.stack[-1]
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, Inert):
        target.items.extend(items)
    else:
        raise MalformedPickle("values are appended to something that is no list")


def _add(m: _Machine, _: Any) -> None:
    items = m.to_mark()
    if not isinstance(m.stack[-1], set):
        raise MalformedPickle("values are added to something that is no set")
    m.stack[-1].update(_key(item) for item in items)


def _key(key: Any) -> Any:
    # Nested tuples that share their parts would take exponential time to hash.
    plain = (str, bytes, int, float, type(None), Name, Inert)
    if isinstance(key, plain) or (isinstance(key, tuple) and all(isinstance(part, plain) for part in key)):
        return key
    raise MalformedPickle(f"a key is a {type(key).__name__}")


def _global(m: _Machine, argument: Any) -> None:
    m.push(m.name(*argument.split(" ", 1)))


def _stack_global(m: _Machine, _: Any) -> None:
    m.push(m.name(*m.pop(2)))


def _reduce(m: _Machine, _: Any) -> None:
    function, arguments = m.pop(2)
    m.push(_made(function, arguments))


def _new_object(m: _Machine, _: Any) -> None:
    kind, arguments = m.pop(2)
    m.push(_made(kind, arguments))


def _new_object_named(m: _Machine, _: Any) -> None:
    kind, arguments, named = m.pop(3)
    m.push(Inert(kind, arguments, named))


def _instance(m: _Machine, argument: Any) -> None:
    m.push(_made(m.name(*argument.split(" ", 1)), tuple(m.to_mark())))


def _object(m: _Machine, _: Any) -> None:
    kind, *arguments = m.to_mark()
    m.push(_made(kind, tuple(arguments)))


def _build(m: _Machine, _: Any) -> None:
    [state] = m.pop(1)
    if isinstance(m.stack[-1], Inert):
        m.stack[-1].state = state
    elif not isinstance(m.stack[-1], dict):  # torch hangs its version notes on the table of tensors
        raise MalformedPickle("a state is given to something that has none")


def _put(m: _Machine, argument: Any) -> None:
    m.memo[int(argument)] = m.stack[-1]


def _persistent(m: _Machine, _: Any) -> None:
    [value] = m.pop(1)
    match value:
        case ("storage", Name(_, kind), str(key), _, int(count), *_) if count >= 0:
            m.push(StorageRecord(kind, key, count))
        case _:
            raise MalformedPickle("a piece of the file is not described as torch does")


def _made(function: Any, arguments: Any) -> Any:
    builder = _BUILDERS.get((function.module, function.name)) if isinstance(function, Name) else None
    return Inert(function, arguments) if builder is None else builder(*arguments)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRecord:
    numbers = (offset, *shape, *stride)
    if (
        not isinstance(storage, StorageRecord)
        or any(type(n) is not int or n < 0 for n in numbers)
        or len(shape) != len(stride)
    ):
        raise MalformedPickle("a tensor is not described as torch does")
    return TensorRecord(storage, offset, tuple(shape), tuple(stride))


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _table(items: Any = ()) -> dict[Any, Any]:
    return {_key(key): value for key, value in items}


def _set(items: Any = ()) -> set[Any]:
    return {_key(item) for item in items}


def _bytes(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding != "latin1" or not isinstance(text, str):
        raise MalformedPickle("bytes are written in an unknown way")
    return text.encode("latin1")


_BUILDERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _table,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch", "Size"): tuple,
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
    ("builtins", "frozenset"): _set,
    ("_codecs", "encode"): _bytes,
}

_LITERALS = """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
"""
_PUSH_ARGUMENT = frozenset(_LITERALS.split())

_Action = Callable[[_Machine, Any], Any]

_ACTIONS: dict[str, _Action] = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "MARK": _mark,
    "POP": _pop_one,
    "POP_MARK": lambda m, a: m.to_mark(),
    "DUP": lambda m, a: m.push(m.stack[-1]),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "EMPTY_SET": lambda m, a: m.push(set()),
    "LIST": lambda m, a: m.push(m.to_mark()),
    "TUPLE": lambda m, a: m.push(tuple(m.to_mark())),
    "TUPLE1": lambda m, a: m.push(tuple(m.pop(1))),
    "TUPLE2": lambda m, a: m.push(tuple(m.pop(2))),
    "TUPLE3": lambda m, a: m.push(tuple(m.pop(3))),
    "DICT": lambda m, a: m.push(_table(_pairs(m.to_mark()))),
    "FROZENSET": lambda m, a: m.push(_set(m.to_mark())),
    "APPEND": lambda m, a: _append(m, m.pop(1)),
    "APPENDS": lambda m, a: _append(m, m.to_mark()),
    "SETITEM": lambda m, a: _set_items(m, m.pop(2)),
    "SETITEMS": lambda m, a: _set_items(m, m.to_mark()),
    "ADDITEMS": _add,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _new_object,
    "NEWOBJ_EX": _new_object_named,
    "INST": _instance,
    "OBJ": _object,
    "BUILD": _build,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": lambda m, a: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    "GET": lambda m, a: m.push(m.memo[int(a)]),
    "BINGET": lambda m, a: m.push(m.memo[a]),
    "LONG_BINGET": lambda m, a: m.push(m.memo[a]),
    "BINPERSID": _persistent,
}
