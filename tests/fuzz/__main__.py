"""``python -m tests.fuzz``: thousands of calls; prints what breaks the rule, each kind of fault once."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.calls import draw_call, make
from tests.fuzz.models import write_models


def main() -> int:
    """Make the calls; 1 if any broke the rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long")
    parser.add_argument("--verbose", action="store_true", help="print every call before it is made")
    options = parser.parse_args()
    found: Counter[str] = Counter()
    started, made = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as scratch:
        models = write_models(Path(scratch) / "models")
        for number in range(options.first, options.first + options.calls):
            folder = Path(scratch) / "call"
            folder.mkdir()
            call = draw_call(number, options.seed, folder, models)
            if options.verbose:
                print(call, flush=True)
            watch = make(call)
            made += 1
            for fault in watch.faults:
                kind = kind_of(fault)
                found[kind] += 1
                if found[kind] == 1:
                    print(f"\n{fault}\n    {call}", flush=True)
            shutil.rmtree(folder)
            if options.minutes is not None and time.monotonic() - started > 60 * options.minutes:
                break
    print(
        f"\n{made} calls in {time.monotonic() - started:.0f} s, {sum(found.values())} faults of {len(found)} kinds"
    )
    for kind, count in found.most_common():
        print(f"{count:6d}  {kind}")
    return 1 if found else 0


def kind_of(fault: str) -> str:
    """A fault without what differs from call to call."""
    return re.sub(r"'[^']*'|\d+(?!\d*:)", "…", fault)[:110]


if __name__ == "__main__":
    sys.exit(main())
