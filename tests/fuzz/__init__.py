"""Random calls of every method, with one rule for what may come of them; see :mod:`tests.fuzz.rule`."""
