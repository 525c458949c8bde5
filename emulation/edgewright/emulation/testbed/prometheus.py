"""A testbed's Prometheus: scrapes operator and agents, and whoever puts a file into its folder of targets."""

import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from edgewright.emulation.testbed import processes
from edgewright.emulation.testbed.control_plane import tail
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import Layout
from edgewright.emulation.testbed.ports import Ports
from edgewright.emulation.testbed.processes import Process

PROMETHEUS = "prometheus"
SCRAPE_SECONDS = 2
START_SECONDS = 60.0
RULES = "charts/edgewright/files/rules.yaml"


def folder(layout: Layout) -> Path:
    """Where its configuration, its data and a link to its program are."""
    return layout.root / PROMETHEUS


def targets(layout: Layout) -> Path:
    """What lies here as NAME.yaml (a list of `targets` and `labels`) is scraped too, a few seconds later."""
    return folder(layout) / "targets"


def address(ports: Ports) -> str:
    """Base URL of its API."""
    return f"http://127.0.0.1:{ports.prometheus}"


def rules() -> Path:
    """The recording and alerting rules, in the package or in a checkout; raises FileNotFoundError."""
    here = Path(__file__).resolve()
    candidates = (here.parent / "rules.yaml", here.parents[4] / RULES)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"the rules are neither at {candidates[0]} nor at {candidates[1]}")


def configuration(layout: Layout, ports: Ports) -> dict[str, Any]:
    """Its configuration file."""
    static = {"edgewright-operator": ports.operator, "edgewright-agent": ports.agents}
    return {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "scrape_timeout": f"{SCRAPE_SECONDS}s",
            "evaluation_interval": "5s",
        },
        "rule_files": [str(rules())],
        "scrape_configs": [
            *(
                {
                    "job_name": job,
                    "honor_labels": True,  # `namespace` is the ServiceDAG's, not that of who tells it
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                }
                for job, port in static.items()
            ),
            {
                "job_name": "edgewright-targets",
                "honor_labels": True,
                "file_sd_configs": [{"files": [f"{targets(layout)}/*.yaml"], "refresh_interval": "5s"}],
            },
        ],
    }


def start(layout: Layout, ports: Ports, program: Path | None = None) -> Process:
    """Start it and wait until it answers; TestbedError with the end of its log if it does not.

    `program` may be left out when it ran before in this testbed: it goes on with the data that it has.
    """
    home = folder(layout)
    targets(layout).mkdir(parents=True, exist_ok=True)
    config, link = home / "prometheus.yml", home / PROMETHEUS
    config.write_text(yaml.safe_dump(configuration(layout, ports)))
    if program is not None:  # through a link of our own it is recognised by its path, also after a crash
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    command = [
        str(link),
        f"--config.file={config}",
        f"--storage.tsdb.path={home / 'data'}",
        "--storage.tsdb.retention.time=2d",
        f"--web.listen-address=127.0.0.1:{ports.prometheus}",
        "--log.level=warn",
    ]
    log = layout.logs / f"{PROMETHEUS}.log"
    process = processes.spawn(PROMETHEUS, command, log=log, pids=layout.pids)
    deadline = time.monotonic() + START_SECONDS
    while not _ready(ports):
        if not process.alive or time.monotonic() > deadline:
            raise TestbedError(f"Prometheus does not answer at {address(ports)}:\n{tail(log)}")
        time.sleep(processes.POLL)
    return process


def _ready(ports: Ports) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address(ports)}/-/ready", timeout=1.0) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
