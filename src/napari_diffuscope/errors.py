"""The one exception that users see."""


class DiffuscopeError(Exception):
    """Something a user can mend, said in one sentence: what is wrong, with what, and what to do.

    It is deliberately no ``RuntimeError``: generator workers swallow those.
    """


class OutOfMemory(DiffuscopeError):
    """Not even the smallest tile fits into the memory of the device."""
