"""Is the effect of thinking-optimal selection real? The demo over several training seeds and mixes.

Runs recipes/demo.yaml, and the same recipe on two other mixes of problems that nothing was tuned
on, each over several training seeds, and writes one Markdown table:

    python benchmarks/effect.py --seeds 0 1 2 --output docs/results.md

The runs are kept under ``runs/`` and gone on with when called again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


def _sums(digits: int, counts: dict[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "kind": "procedural",
            "dataset": "basic_arithmetic",
            "config": {
                "operators": ["+"],
                "allow_parentheses": False,
                "allow_negation": False,
                "min_terms": terms,
                "max_terms": terms,
                "min_digits": digits,
                "max_digits": digits,
            },
            "prompt": "{expression}",
            "difficulty": f"{terms} numbers",
            "count": count,
        }
        for terms, count in counts.items()
    ]


# Written down before any model was trained on any of them.
MIXES: dict[str, tuple[str, list[dict[str, Any]] | None]] = {
    "demo": ("the demo: sums of two to six two-digit numbers, many easy, few hard", None),
    "even": (
        "sums of two to six two-digit numbers, as many of each length",
        _sums(2, dict.fromkeys(range(2, 7), 1200)),
    ),
    "digits": (
        "sums of four, six and eight one-digit numbers, as many of each length",
        _sums(1, {4: 2000, 6: 2000, 8: 2000}),
    ),
}


def run(mix: str, seed: int, folder: Path) -> dict[str, Any]:
    """Run one recipe, unless that was done, and return its report."""
    recipe = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    recipe["name"] = f"{mix}-{seed}"
    recipe["seed"] = seed
    recipe["evaluate"].pop("budgets", None)  # another question, and another two trainings
    if (sources := MIXES[mix][1]) is not None:
        recipe["problems"]["sources"] = sources
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recipe['name']}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    z1 = Path(sys.executable).with_name("z1")
    subprocess.run([z1, "run", path, "--output", folder], check=True)
    report: dict[str, Any] = json.loads((folder / recipe["name"] / "report.json").read_text())
    return report


def _percent(model: dict[str, Any]) -> str:
    return f"{100 * model['accuracy']:.1f} ± {100 * model['accuracy_stderr']:.1f}"


def write(reports: dict[tuple[str, int], dict[str, Any]]) -> str:
    """Return the page: a table of the effect, and one of all models, for each mix."""
    problems = {mix: r["comparison"]["problems"] for (mix, _), r in reports.items()}
    seeds = len(next(iter(reports.values()))["models"][0]["accuracy_by_seed"])
    lines = [
        "# Results",
        "",
        "Made by `python benchmarks/effect.py`: the demo and two other mixes of problems, each "
        "over several training seeds. A training seed changes the teacher's slips, what is "
        "sampled and selected, and the order of the training rows; the problems stay. The mixes "
        "and the teacher were committed before any of these models was trained, and nothing was "
        "tuned on the evaluation problems or on the other two mixes. Accuracies are in per cent "
        "with the standard error over problems, at temperature 1 unless said otherwise, from "
        f"{seeds} sampling seeds.",
        "",
        "An earlier teacher answered sums of any length at once when asked for low effort. Its "
        "right replies are in the seed set, and TOPS learnt from them to guess at sums that are "
        "beyond the model: 0.52 of the baseline's tokens, but 18.2 points (15.8 to 20.7) less "
        "accurate at temperature 1. At low effort the teacher now scribbles the steps in one line. "
        "The lesson for a real teacher: look at what its low replies leave out. An earlier base "
        "model had learnt to pass over every system message, and its tag model thought no less "
        "at low effort (26.0 tokens) than at medium (25.8). The base model is now pre-trained to "
        "take a hint of how long to think, as large models are. Both were decided on the replies "
        "to training problems, and the demo's evaluation problems were drawn anew each time.",
    ]
    for mix in dict.fromkeys(mix for mix, _ in reports):
        mine = {seed: report for (name, seed), report in reports.items() if name == mix}
        lines += [
            "",
            f"## {mix}: {MIXES[mix][0]}",
            "",
            f"{problems[mix]} evaluation problems. Tokens are the ratio of TOPS to the "
            "random-right baseline; the accuracy difference is TOPS minus baseline in points; both "
            "with their 95 % interval from a paired bootstrap over problems.",
            "",
            "| training seed | tokens, model | tokens, selected data | accuracy difference | "
            "falls short of |",
            "|---|---|---|---|---|",
        ]
        for seed, report in mine.items():
            compared = report["comparison"]
            ratio, gap = compared["token_ratio"], compared["accuracy_difference"]
            points = {end: 100 * gap[end] for end in ("value", "low", "high")}
            short = [c["name"] for c in report["checks"] if not c["holds"]]
            lines.append(
                f"| {seed} | {ratio['value']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f}) "
                f"| {compared['selected_tokens']['ratio']:.3f} "
                f"| {points['value']:+.1f} ({points['low']:+.1f} to {points['high']:+.1f}) "
                f"| {', '.join(short) or 'nothing'} |"
            )
        heads = "".join(f" seed {seed}: accuracy | tokens |" for seed in mine)
        lines += ["", f"| model | effort | temperature |{heads}"]
        lines.append("|---|---|---|" + "---|---|" * len(mine))
        for row, model in enumerate(next(iter(mine.values()))["models"]):
            cells = [model["name"], model["effort"] or "", f"{model['temperature']:g}"]
            for report in mine.values():
                same = report["models"][row]
                cells += [_percent(same), f"{same['thinking_tokens']:.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="training seeds")
    parser.add_argument("--mixes", nargs="+", default=list(MIXES), choices=list(MIXES))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results.md")
    parser.add_argument("--json", type=Path, help="also write the token ratios here")
    args = parser.parse_args()
    folder = ROOT / "runs" / "effect"
    reports = {(mix, seed): run(mix, seed, folder) for mix in args.mixes for seed in args.seeds}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(write(reports))
    if args.json:
        ratios = {
            mix: statistics.median(
                reports[mix, seed]["comparison"]["token_ratio"]["value"] for seed in args.seeds
            )
            for mix in args.mixes
        }
        args.json.write_text(json.dumps({"ratios": ratios}) + "\n")


if __name__ == "__main__":
    main()
