"""Tells a run's steps with their time, and meanwhile how many replicas and nodes there are."""

import threading
import time

from edgewright.emulation.chaos.recording import Sample
from edgewright.emulation.testbed.report import Report


class Progress:
    """The step that lasts, and the last sample; steps and samples come from different threads."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._step = ""
        self._detail = ""

    def say(self, text: str) -> None:
        """A step begins."""
        with self._lock:
            self._step = f"{time.monotonic() - self._began:6.1f} s  {text}"
            self._report(self._step, self._detail)

    def show(self, sample: Sample) -> None:
        """The cluster looks like this now."""
        dags = sample.dags.values()
        ready, desired = sum(dag.ready for dag in dags), sum(dag.desired for dag in dags)
        with self._lock:
            self._detail = (
                f"{ready} of {desired} replicas Ready, {sample.nodes_ready} of {sample.nodes} nodes"
                if sample.answers
                else "the API server does not answer"
            )
            if self._step:
                self._report(self._step, self._detail)
