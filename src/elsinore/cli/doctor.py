"""`elsinore doctor`: why a run trains badly, and what usually helps."""

import argparse
import textwrap

from elsinore.cli.arguments import add_run, add_runs_dir, add_trust, trust_of
from elsinore.cli.streams import say
from elsinore.errors import ConfigError, quoted

ABOUT = """\
`elsinore doctor RUN` reads a run's metrics for the signs of bad training that practitioners
look for. It works while the run trains, too. Each finding has the numbers that were seen, what
they mean, and what usually helps; at the end of a run one line names the findings. Numbers
after the name of a seed are of that seed alone. A run without findings may still be bad: only
these signs are looked for. Where a curriculum evaluates its present stage
(`curriculum.evaluate_on: stage`), `time-limit`, `seeds`, `noisy-evaluation`, `worse-at-the-end`
and `plateau` are left out: they compare evaluations, and those of different stages cannot be
compared. From Python: `elsinore.doctor(run)`, where `run` is a `Run`, its folder or its name.
The rules are in [`analysis/doctor_rules.py`](../src/elsinore/analysis/doctor_rules.py), of
which this page is made."""


def add(commands) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="diagnose a run: signs of bad training, and what usually helps",
        description="Read a run's metrics for signs of bad training. Findings do not change the"
        " exit code.",
    )
    doctor.set_defaults(function=doctor_command)
    add_run(doctor)
    doctor.add_argument("--json", action="store_true", help="print JSON")
    add_trust(doctor)
    add_runs_dir(doctor)


def doctor_command(args: argparse.Namespace) -> int:
    from elsinore.analysis.doctor import evidence
    from elsinore.analysis.doctor_rules import findings_of, rules_for
    from elsinore.runs import api

    curves, facts = evidence(api.load(args.run, runs_dir=args.runs_dir, trust=trust_of(args)))
    findings = findings_of(curves, facts)
    if args.json:
        import json

        rows = [
            {"rule": rule.name, "saw": saw, "means": rule.means, "helps": rule.helps}
            for rule, saw in findings
        ]
        print(json.dumps(rows, indent=1))
        return 0
    for rule, saw in findings:
        say(f"{rule.name}: {saw}")
        for text in (rule.means, f"Helps: {rule.helps}", f"See docs/doctor.md#{rule.name}"):
            say(textwrap.indent(textwrap.fill(text, 92, break_on_hyphens=False), "    "))
    say(f"{len(findings)} of {len(rules_for(facts))} rules found something.")
    return 0


def findings_line(run) -> str:
    """The names of the findings about a run and the command that explains them, or nothing."""
    from elsinore.analysis.doctor import doctor

    try:
        found = [finding.rule.name for finding in doctor(run)]
    except ConfigError:  # a population, or no metrics
        found = []
    if not found:
        return ""
    return f"  signs of a problem: {', '.join(found)}; see elsinore doctor {quoted(run.path)}"


def doctor_page() -> str:
    """The page of all rules and thresholds, docs/doctor.md."""
    from elsinore.analysis.doctor_checks import LIMITS, Limits
    from elsinore.analysis.doctor_rules import RULES
    from elsinore.config.settings import meanings_of

    lines = ["# Diagnosing a run", "", ABOUT, ""]
    for rule in RULES:
        lines += [f"## {rule.name}", "", rule.means, "", f"*Helps:* {rule.helps}", ""]
    lines += ["## Thresholds", "", "| threshold | value | reason |", "|---|---|---|"]
    reasons = meanings_of(Limits)
    lines += [f"| `{k}` | {value:g} | {reasons[k]} |" for k, value in LIMITS._asdict().items()]
    return "\n".join(lines) + "\n"
