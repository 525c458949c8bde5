"""The page that gathers the results of all experiments: one HTML file that needs no other."""

import base64
import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.emulation.experiments.comparison import NOT_COMPARABLE, Comparison
from edgewright.emulation.experiments.experiment import ExperimentError
from edgewright.emulation.experiments.folder import Folder, write


@dataclass(frozen=True)
class Result:
    """What a finished folder holds."""

    about: dict[str, Any]
    manifest: dict[str, Any]
    comparison: Comparison
    figures: tuple[Path, ...]


def report(root: Path) -> Path:
    """Write `root`/report.html from every finished folder in `root`; ExperimentError if there is none."""
    if not root.is_dir():
        raise ExperimentError(f"no folder {root}; run an experiment first, or give the folder of its results")
    results = [_read(path.parent) for path in sorted(root.glob("*/table.json"))]
    if not results:
        raise ExperimentError(
            f"folder {root} holds no finished experiment; run `edgewright experiment NAME` first"
        )
    path = root / "report.html"
    write(path, _page(results))
    return path


def _read(folder: Path) -> Result:
    try:
        about = json.loads((folder / "table.json").read_text())
        comparison = Comparison.read(about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExperimentError(
            f"{folder / 'table.json'} is damaged ({error}); run its experiment again, or delete the folder"
        ) from error
    return Result(about, Folder(folder).read(), comparison, tuple(sorted(folder.glob("*.svg"))))


def _page(results: list[Result]) -> str:
    links = "".join(
        f'<li><a href="#{_id(result)}">{_text(result.about["title"])}</a>'
        f"<span>{_text(result.about['source'])} · {_text(result.manifest['scale'])}</span></li>"
        for result in results
    )
    sections = "".join(_section(result) for result in results)
    return _FRAME.format(style=_STYLE, links=links, sections=sections)


def _section(result: Result) -> str:
    about, manifest = result.about, result.manifest
    seeds, first = manifest["config"]["seeds"], manifest["first seed"]
    versions = ", ".join(f"{name} {value}" for name, value in manifest["versions"].items())
    facts = f"Scale {manifest['scale']}, {seeds} seed{'s' if seeds > 1 else ''} from {first}; {versions}"
    figures = "".join(_figure(path) for path in result.figures)
    notes = "".join(f"<li>{_text(note)}</li>" for note in result.comparison.notes)
    config = _text(json.dumps(manifest["config"], indent=2))
    return (
        f'<section id="{_id(result)}">'
        f"<h2>{_text(about['title'])} <small>{_text(about['source'])}</small></h2>"
        f'<p class="question">{_text(about["question"])}</p>{figures}{_table(result.comparison)}'
        f'<ul class="notes">{notes}</ul>'
        f"<details><summary>How it was run</summary><p>{_text(facts)}</p><pre>{config}</pre></details>"
        "</section>"
    )


def _figure(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{_text(path.stem)}" src="data:image/svg+xml;base64,{data}">'


def _table(comparison: Comparison) -> str:
    head = "".join(f"<th>{_text(column)}</th>" for column in comparison.columns)
    body = "".join(
        "<tr>" + "".join(f"<td{_class(cell)}>{_text(cell)}</td>" for cell in line) + "</tr>"
        for line in comparison.lines
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _class(cell: str) -> str:
    return ' class="incomparable"' if NOT_COMPARABLE in cell else ""


def _id(result: Result) -> str:
    return f"{result.about['name']}-{result.manifest['scale']}"


def _text(value: object) -> str:
    return html.escape(str(value))


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2937; margin: 0 auto; max-width: 1080px;
  padding: 2rem 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem } h2 { font-size: 1.25rem; margin: 0 0 .25rem }
h2 small { color: #6b7280; font-weight: normal; font-size: .85rem; margin-left: .5rem }
nav ul { list-style: none; padding: 0; columns: 2 } nav li { margin: .2rem 0 }
nav span { color: #6b7280; margin-left: .6rem; font-size: .85rem }
a { color: #1d4ed8; text-decoration: none } a:hover { text-decoration: underline }
section { border-top: 1px solid #e5e7eb; padding: 1.75rem 0 }
.question { color: #4b5563; margin: 0 0 1rem } img { width: 100%; height: auto; margin: .25rem 0 1rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .7rem; border-bottom: 1px solid #e5e7eb; white-space: nowrap }
th { background: #f9fafb; white-space: normal; vertical-align: bottom }
th:first-child, td:first-child { text-align: left }
tbody tr:hover { background: #f3f4f6 } .incomparable { color: #9ca3af; font-style: italic }
.notes { color: #4b5563; font-size: .85rem; padding-left: 1.2rem }
details { color: #4b5563; font-size: .85rem }
pre { background: #f9fafb; padding: .75rem; overflow-x: auto }
"""
_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Edgewright: experiments</title><style>{style}</style></head>
<body><h1>Experiments</h1>
<p>Each was made by one command, <code>edgewright experiment NAME</code>. The figures are what was
measured; where the papers print others, both stand side by side.</p>
<nav><ul>{links}</ul></nav>{sections}</body></html>
"""
