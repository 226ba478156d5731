"""`elsinore doctor`: why a run trains badly, and what usually helps."""

import argparse
import textwrap

from elsinore.cli.arguments import add_run, add_runs_dir, add_trust, trust_of
from elsinore.cli.streams import say
from elsinore.errors import ConfigError, quoted


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
