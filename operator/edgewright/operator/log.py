"""One logger for the operator, in lines that people and machines can read."""

import logging
import sys

log = logging.getLogger("edgewright.operator")


def configure(level: str) -> None:
    """Send every log line of the process to stderr: time, level, logger, text."""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        force=True,
    )
    for noisy in ("kopf", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
