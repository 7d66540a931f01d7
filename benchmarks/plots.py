"""A picture of each question: a bar for each server, with how far its rounds were apart.

Runs in the environment of the peers, where matplotlib is: `python -m benchmarks.plots RESULTS.json FOLDER`.
Imports nothing else of the benchmarks that needs more than the standard library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

OURS, THEIRS, FLOOR = "#1769aa", "#b9c3cc", "#e3e7ea"


def draw(result: dict[str, Any], path: Path) -> None:
    """One question for one interface, the best on top."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"  # the same results give the same file
    from matplotlib import pyplot

    metric, heading = result["metric"], result["heading"]
    values = {name: [sample[metric] for sample in samples] for name, samples in result["rounds"].items()}
    names = sorted(values, key=lambda name: -median(values[name]))
    middle = [median(values[name]) for name in names]
    low = [mid - min(values[name]) for name, mid in zip(names, middle, strict=True)]
    high = [max(values[name]) - mid for name, mid in zip(names, middle, strict=True)]
    figure, axes = pyplot.subplots(figsize=(7.6, 0.9 + 0.3 * len(names)))
    bars = axes.barh(
        names,
        middle,
        xerr=[low, high],
        color=[OURS if name.startswith("hybrid") else FLOOR if name.startswith("floor") else THEIRS for name in names],
        error_kw={"ecolor": "#444444", "elinewidth": 0.8, "capsize": 2},
    )
    axes.bar_label(bars, labels=[f"{value:,.1f}" for value in middle], padding=8, fontsize=8)
    axes.set_title(f"{result['title']} ({result['interface'].upper()})", fontsize=9, loc="left")
    axes.set_xlabel(f"{heading}; less is better; whiskers: all rounds", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def file_name(result: dict[str, Any]) -> str:
    return f"{result['question']}_{result['interface']}.svg"


def main(results: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for result in json.loads(results.read_text())["results"]:
        if result["rounds"]:
            draw(result, folder / file_name(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
