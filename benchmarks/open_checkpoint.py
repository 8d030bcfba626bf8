"""Time and memory to open a checkpoint of 1.1 GB, against ``torch.load``.

``load_model`` finds out what the file is, compares the checksums of all tensors, looks for values that are not
finite, and returns a network that is ready; ``torch.load`` returns tensors. Each way runs in a fresh process,
in turn; the median of the processor and wall times is printed, with the peak of the resident memory and the
part of it that is not the mapped file itself.

Run: ``python benchmarks/open_checkpoint.py [--repeats 3] [--width 224]``. Writes a temporary file of that size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COMMON = """
import json, sys, time, torch
torch.set_num_threads(1)
import napari_diffuscope.weights.model as weights
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
import safetensors.torch
def memory(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1e6 for line in file if line.startswith(name))
path, width = sys.argv[1], int(sys.argv[2])
config = OpenAIUNetConfig(model_channels=width, channel_multipliers=(1, 2, 3, 4), res_blocks=2,
                          attention_downsampling=(2, 4, 8), head_channels=32)
before = memory("VmRSS"), memory("RssAnon")
wall, processor = time.perf_counter(), time.process_time()
"""
REPORT = """
print(json.dumps({"wall": time.perf_counter() - wall, "processor": time.process_time() - processor,
                  "peak": memory("VmHWM") - before[0], "anonymous": memory("RssAnon") - before[1]}))
"""
WAYS = {
    "torch.load": "kept = torch.load(path, weights_only=True)",
    "torch.load, mapped": "kept = torch.load(path, weights_only=True, mmap=True)",
    "torch.load into a network": "kept = OpenAIUNet(config); kept.load_state_dict(torch.load(path, weights_only=True))",
    "load_model": "kept = weights.load_model(path)",
}
WRITE = """
network = OpenAIUNet(config)
print(sum(p.numel() for p in network.parameters()))
torch.save(network.state_dict(), path)
"""


def run(code: str, path: Path, width: int) -> str:
    words = [sys.executable, "-c", COMMON + code, str(path), str(width)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each way")
    parser.add_argument("--width", type=int, default=224, help="channels of the network; 224 is MSDSR's")
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model000001.pt"
        count = int(run(WRITE, path, args.width))
        print(f"{count / 1e6:.1f} M parameters, {path.stat().st_size / 1e9:.2f} GB")
        if args.width != 224:
            said = {"system": "msdsr", "head_channels": 32}
            path.with_name("model.json").write_text(json.dumps(said))
        for _ in range(args.repeats):
            for name, code in WAYS.items():
                found[name].append(json.loads(run(code + REPORT, path, args.width)))
    base = {
        key: statistics.median(r[key] for r in found["torch.load"]) for key in ("wall", "processor", "peak")
    }
    print(f"{'':28}{'wall':>8}{'ratio':>7}{'CPU':>8}{'ratio':>7}{'peak GB':>9}{'ratio':>7}{'not mapped':>12}")
    for name, runs in found.items():
        value = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        ratios = {key: value[key] / base[key] for key in base}
        print(
            f"{name:28}{value['wall']:7.2f}s{ratios['wall']:7.2f}{value['processor']:7.2f}s{ratios['processor']:7.2f}"
            f"{value['peak']:9.2f}{ratios['peak']:7.2f}{value['anonymous']:12.2f}"
        )


if __name__ == "__main__":
    main()
