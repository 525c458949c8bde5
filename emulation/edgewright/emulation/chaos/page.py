"""The report as one HTML page that needs nothing else: verdict, picture, tables."""

from collections.abc import Iterable, Sequence
from html import escape

from edgewright.emulation.chaos import picture
from edgewright.emulation.chaos.answers import Phase
from edgewright.emulation.chaos.findings import InjectionFinding, Report
from edgewright.emulation.chaos.recording import Recording

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem;
color: #111827 }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.verdict { display: inline-block; padding: .2rem .8rem; border-radius: .3rem; color: white; font-weight: 600 }
.passed { background: #15803d } .failed { background: #b91c1c } .interrupted { background: #d97706 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .6rem;
border-bottom: 1px solid #e5e7eb; vertical-align: top } th { font-weight: 600; color: #4b5563 }
td.n { text-align: right; font-variant-numeric: tabular-nums } svg { max-width: 100%; height: auto }
"""


def render(report: Report, recording: Recording) -> str:
    """The page; every text in it that came from the cluster or an experiment is escaped."""
    lost = report.lost + [f"bound twice: {each}" for each in report.doubled]
    parts = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p><span class="verdict {report.verdict}">{report.verdict}</span> '
        f"{escape(str(report.environment['target']))}, {escape(str(report.environment['at']))}, "
        f"{report.duration:g} s recorded</p>",
        _list(report.reasons + report.remarks),
        f"<p>Lost of ServiceDAGs and replicas: {_list(lost) if lost else 'nothing'}</p>",
        picture.draw(recording),
        "<h2>Steady state</h2>",
        _table(("when", "found"), report.hypothesis.items()),
        "<h2>Injections</h2>",
        _table(INJECTION_COLUMNS, (injection_row(each) for each in report.injections), numbers=range(1, 8)),
        *_answers(report.asked),
        "<h2>In sum</h2>",
        _table(
            ("what", "how much"),
            [
                ("replica-seconds wanted and not Ready", f"{report.missing_replica_seconds:g}"),
                ("seconds without an answer of the API server", f"{report.api_away_seconds:g}"),
            ],
        ),
        "<h2>Environment</h2>",
        _table(("what", "value"), ((key, str(value)) for key, value in report.environment.items())),
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


INJECTION_COLUMNS = (
    "injection",
    "at (s)",
    "lasted (s)",
    "recovery (s)",
    "replicas replaced",
    "slowest bind (s)",
    "latency / limit by status, before",
    "worst",
    "limits broken (s)",
)


def injection_row(each: InjectionFinding) -> tuple[str, ...]:
    """The cells of an injection, for the page and for the terminal."""
    recovery = "never" if each.recovery is None else f"{each.recovery:.1f}"
    return (
        each.what,
        f"{each.began:.1f}",
        "to the end" if each.lasted is None else f"{each.lasted:.1f}",
        recovery if each.disturbed else "not felt",
        str(each.replaced),
        _number(each.slowest_bind),
        _number(each.latency_before),
        _number(each.latency_worst),
        f"{each.violated_seconds:.1f}",
    )


ASKED_COLUMNS = (
    "users asked while",
    "from (s)",
    "requests",
    "per second",
    "lost",
    "late",
    "p50 / limit",
    "p95 / limit",
)


def asked_row(each: Phase) -> tuple[str, ...]:
    """The cells of a phase, for the page and for the terminal."""
    return (
        each.what,
        f"{each.began:.1f}",
        str(each.requests),
        f"{each.per_second:.1f}",
        str(each.lost),
        str(each.over),
        _number(each.p50),
        _number(each.p95),
    )


def unanswered(asked: Sequence[Phase]) -> str:
    """How many requests of all were lost, in a sentence."""
    return f"Of {sum(each.requests for each in asked)} requests {sum(each.lost for each in asked)} were lost."


def _answers(asked: Sequence[Phase]) -> list[str]:
    if not asked:
        return []
    return [
        "<h2>Requests of users</h2>",
        f"<p>{unanswered(asked)} They went through the gateway. Lost: not answered within a second. Late: "
        "answered after the ServiceDAG's limit.</p>",
        _table(ASKED_COLUMNS, map(asked_row, asked), numbers=range(1, 8)),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>" if items else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="n">{escape(cell)}</td>' if i in right else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>\n"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
