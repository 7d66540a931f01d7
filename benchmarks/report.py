"""Medians and ratios of a run, as JSON for programs and Markdown for people."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.interpreter import Interpreter
from benchmarks.pinning import Cores
from benchmarks.questioning import Question, Sample
from benchmarks.rounds import Results
from benchmarks.servers import BASELINE


def medians(samples: Sequence[Sample]) -> dict[str, float]:
    """Metric -> median over the rounds."""
    return {metric: median(sample[metric] for sample in samples) for metric in samples[0]}


def spread(samples: Sequence[Sample], metric: str) -> float:
    """(largest - smallest) / median: how far the rounds disagree. A difference below this says nothing."""
    values = [sample[metric] for sample in samples]
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def as_json(run: Sequence[Results], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, single rounds included."""
    return {
        "about": dict(about),
        "results": [
            {
                "question": results.question.name,
                "title": results.question.title,
                "metric": next(iter(results.question.columns)),
                "heading": next(iter(results.question.columns.values())),
                "interface": results.interface,
                "medians": {name: medians(samples) for name, samples in results.samples.items()},
                "rounds": {name: [dict(sample) for sample in samples] for name, samples in results.samples.items()},
                "failures": results.failures,
            }
            for results in run
        ],
    }


def from_json(data: Mapping[str, Any], questions: Iterable[Question]) -> list[Results]:
    """What an earlier run found out about these questions."""
    known = {question.name: question for question in questions}
    return [
        Results(known[result["question"]], result["interface"], result["rounds"], result["failures"])
        for result in data["results"]
        if result["question"] in known
    ]


def as_markdown(run: Sequence[Results], about: Mapping[str, Any], pictures: str = "") -> str:
    """`pictures`: the folder of the plots, as seen from the file; "" for none."""
    lines = ["# Benchmark results", ""]
    lines += [f"- {name.replace('_', ' ')}: {_inline(value)}" for name, value in about.items()]
    for results in run:
        lines += ["", f"## {results.question.title} ({results.interface.upper()})", ""]
        if pictures and results.samples:
            picture = f"{pictures}/{results.question.name}_{results.interface}.svg"
            lines += [f"![{results.question.title}]({picture})", ""]
        lines += _table(results)
        lines += [f"\nNot measured: {name}: {_first_line(why)}" for name, why in results.failures.items()]
    return "\n".join(lines) + "\n"


def _table(results: Results) -> list[str]:
    columns = results.question.columns
    first = next(iter(columns))
    by_server = {name: medians(samples) for name, samples in results.samples.items()}
    baseline = BASELINE[results.interface]
    base = by_server.get(baseline, {}).get(first)
    ratio = [f"x {baseline}"] if base else []
    lines = [
        "| server | " + " | ".join([*columns.values(), *ratio, "spread"]) + " |",
        "|---|" + "---:|" * (len(columns) + len(ratio) + 1),
    ]
    for name, values in sorted(by_server.items(), key=lambda item: item[1][first]):
        cells = [_number(values[metric]) for metric in columns]
        if base:
            cells.append(f"{values[first] / base:.2f}")
        cells.append(f"{spread(results.samples[name], first):.0%}")
        shown = f"**{name}**" if name.startswith("hybrid") else name
        lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    return lines


def about_this_machine(
    cores: Cores, interpreter: Interpreter | None, options: Mapping[str, Any], versions: Mapping[str, str]
) -> dict[str, Any]:
    """What a reader must know to judge the numbers."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu_model(),
        "interpreter": str(interpreter),
        "cores": f"server on {sorted(cores.server)}, load on {sorted(cores.load)}"
        + (" (shared: the figures are no use)" if cores.is_shared else ""),
        "kernel": platform.release(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        **options,
        "versions": {name: version for name, version in versions.items() if version},
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text}" for name, text in value.items())
    return str(value)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
