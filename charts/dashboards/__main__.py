"""Write the Grafana dashboards of charts/edgewright/files/dashboards; with --check, fail if one is stale."""

import sys
from pathlib import Path

from charts.dashboards.processes import processes
from charts.dashboards.regions import regions
from charts.dashboards.services import services
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).parents[1] / "edgewright" / "files" / "dashboards"
DASHBOARDS = {"services": services, "regions": regions, "processes": processes}


def main() -> None:
    """Write the dashboards, or compare them."""
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in DASHBOARDS.items():
        path = FOLDER / f"{name}.json"
        text = JSONEncoder(sort_keys=True, indent=2).encode(make().build()) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"{FOLDER}: {', '.join(stale)} out of date; run `make generate`")


if __name__ == "__main__":
    main()
