"""Sends a workload to a gateway with locust; `edgewright load run` starts it, and plain locust can too.

The load is open: every request leaves at the moment that its arrival process gives it, whether or not earlier
ones were answered. Locust's users usually wait for their answers, so that a slow service is asked less; here
one user is the whole city, and each of its requests has a greenlet of its own.
"""

import csv
import logging
import time
from pathlib import Path
from typing import IO, Any

import gevent
from gevent.pool import Group
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from edgewright.emulation.workloads import KINDS, Target, Workload, arrivals
from edgewright.emulation.workloads.discovery import NoTargetsError, targets

UNDER_WAY = 5000
"""Requests without an answer at any moment; beyond, the next ones wait."""
KEEPS_UP = 0.02
"""Seconds that requests may leave late before the load is not what it says."""
_log = logging.getLogger("edgewright.load")


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _arguments(parser: LocustArgumentParser) -> None:
    default = Workload()
    parser.add_argument("--workload", choices=KINDS, default=default.kind, help="Which arrival process.")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="Requests per second of all together; 0: the sum of demands."
    )
    parser.add_argument(
        "--cross-region", type=float, default=default.cross_region, help="Share that goes to another region."
    )
    parser.add_argument(
        "--day-seconds",
        type=float,
        default=default.day_seconds,
        help="How long 24 hours take (workload day).",
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="The same seed, the same requests.")
    parser.add_argument("--dags", default="", help="Only these NAMESPACE/NAME, separated by commas.")
    parser.add_argument("--record", default="", help="Write each request into this file.")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _set_the_clock(environment: Environment, **_: Any) -> None:
    """gevent's timers count from its last look at the clock: seconds of imports would shorten the run."""
    gevent.get_hub().loop.update_now()


class City(FastHttpUser):
    """All users of all ServiceDAGs."""

    fixed_count = 1
    concurrency = UNDER_WAY
    connection_timeout = network_timeout = 10.0

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._requests = Group()
        self._late: list[float] = []
        self._record: IO[str] | None = None

    @task
    def live(self) -> None:
        """Send the workload until the run ends."""
        given = self.environment.parsed_options
        try:
            found = targets(str(self.host), given.dags)
            workload = Workload(
                kind=given.workload,
                rate=given.rate or None,
                cross_region=given.cross_region,
                day_seconds=given.day_seconds,
                seed=given.seed,
            )
            self._record = _lines(given.record) if given.record else None
        except (NoTargetsError, ValueError, OSError) as error:
            self._give_up(str(error))
        self._send(workload, found)

    def on_stop(self) -> None:
        """Let what is under way be answered, and say whether the load was what it should be."""
        self._requests.join(timeout=2.0)
        self._requests.kill()
        if self._record is not None:
            self._record.close()
        if not self._late:
            return
        late = sorted(self._late)[int(0.99 * len(self._late))]
        said = f"{len(self._late)} requests were sent, 99 % of them at most {late * 1e3:.1f} ms late"
        if late > KEEPS_UP:
            _log.warning("%s: this machine cannot keep up, and the load was less bursty than it says", said)
        else:
            _log.info(said)

    def _send(self, workload: Workload, found: tuple[Target, ...]) -> None:
        paths, start = [target.path for target in found], time.monotonic()
        for times, chosen in arrivals(workload, found):
            for moment, target in zip(times.tolist(), chosen.tolist(), strict=True):
                early = start + moment - time.monotonic()
                if early > 0:
                    gevent.sleep(early)
                self._late.append(max(0.0, time.monotonic() - start - moment))
                self._requests.spawn(self._ask, paths[target], start + moment)

    def _ask(self, path: str, due: float) -> None:
        sent = time.monotonic()
        answer = self.client.get(path, name=path)
        if self._record is not None:
            took = time.monotonic() - sent
            line = path, f"{due:.4f}", f"{sent - due:.4f}", f"{took:.5f}", int(answer.status_code == 200)
            csv.writer(self._record).writerow(line)

    def _give_up(self, why: str) -> Any:
        _log.error(why)
        self.environment.process_exit_code = 1
        if self.environment.runner is not None:
            self.environment.runner.quit()
        raise gevent.GreenletExit


def _lines(file: str) -> IO[str]:
    """A file whose lines are whole also when this process is killed."""
    return Path(file).open("w", buffering=1, newline="")
