"""Runs the units of an experiment that are not done yet (here, in processes, with Ray), and gathers rows."""

import json
import multiprocessing
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.emulation.experiments.experiment import (
    Config,
    Experiment,
    ExperimentError,
    Row,
    Scale,
    Unit,
    unit_name,
)
from edgewright.emulation.experiments.folder import Folder, write

if TYPE_CHECKING:
    import pandas as pd

Watch = Callable[[int, int], None]
"""Is told how many units are done, of how many."""
Work = tuple["Experiment[Any, Any]", Config, Unit]


def conduct(
    experiment: "Experiment[Any, Any]",
    scale: Scale,
    config: Config,
    path: Path,
    *,
    jobs: int = 1,
    ray: str | None = None,
    watch: Watch = lambda done, total: None,
) -> "pd.DataFrame":
    """All rows, in the order of the units; what an earlier run finished is read, not computed.

    Each unit's rows are stored as soon as they exist, so an interrupted run goes on where it stopped and
    ends with the same bytes. `jobs` processes, or the Ray cluster at `ray` (`local` starts one). Raises
    ExperimentError for a folder that began differently, and with the unit's name when a unit fails.
    """
    if jobs < 1:
        raise ExperimentError(f"--jobs is {jobs}; give at least 1")
    folder = Folder(path)
    folder.open(experiment, scale, config)
    units: Sequence[Unit] = experiment.units(config)
    if len({unit_name(unit) for unit in units}) < len(units):
        raise ExperimentError(f"experiment {experiment.name}: two of its units have the same name")
    missing = [unit for unit in units if folder.rows(unit) is None]
    done = len(units) - len(missing)
    watch(done, len(units))
    works: list[Work] = [(experiment, config, unit) for unit in missing]
    for unit, rows in _compute(works, jobs, ray):
        folder.store(unit, rows)
        done += 1
        watch(done, len(units))
    return gather(experiment, folder, units)


def _compute(works: list[Work], jobs: int, ray: str | None) -> Iterator[tuple[Unit, list[Row]]]:
    """Units with their rows as they are finished."""
    if not works:
        return iter(())
    if ray is not None:
        return _with_ray(works, ray)
    if jobs == 1:
        return ((work[2], compute(*work)) for work in works)
    return _with_processes(works, jobs)


def compute(experiment: "Experiment[Any, Any]", config: Config, unit: Unit) -> list[Row]:
    """Rows of one unit; ExperimentError that names it when it fails."""
    try:
        return experiment.run(config, unit)
    except ExperimentError:
        raise
    except Exception as error:
        raise ExperimentError(
            f"experiment {experiment.name}, unit {unit_name(unit)}: {type(error).__name__}: {error}; "
            "the units that are done are kept"
        ) from error


def _with_processes(works: list[Work], jobs: int) -> Iterator[tuple[Unit, list[Row]]]:
    # Spawned, not forked: compiled kernels and progress bars have threads, which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(works)), mp_context=context) as pool:
        pending = {pool.submit(compute, *work): work[2] for work in works}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _with_ray(works: list[Work], address: str) -> Iterator[tuple[Unit, list[Row]]]:
    try:
        import ray  # noqa: PLC0415 - an extra of its own
    except ImportError as error:
        raise ExperimentError("--ray: Ray is not installed: pip install 'edgewright[ray]'") from error
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if host and port.isdigit():
            # Ray itself tries for minutes.
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(
            address=None if address == "local" else address, include_dashboard=False, log_to_driver=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ExperimentError(f"--ray {address}: no Ray cluster answers there ({error})") from error
    try:
        remote = ray.remote(num_cpus=1)(compute)
        pending = {remote.remote(*work): work[2] for work in works}
        while pending:
            ready, _ = ray.wait(list(pending), num_returns=1)
            for reference in ready:
                try:
                    rows = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise ExperimentError(str(error.cause)) from error
                yield pending.pop(reference), rows
    finally:
        ray.shutdown()


def gather(experiment: "Experiment[Any, Any]", folder: Folder, units: Sequence[Unit]) -> "pd.DataFrame":
    """Rows of all units, which must be done, as one table; writes rows.csv and rows.parquet.

    Columns read from a clock go to clock.csv: all other files of the same config are the same to the byte.
    """
    import pandas as pd  # noqa: PLC0415 - half a second that only a run needs

    found: list[Row] = []
    for unit in units:
        found += folder.rows(unit) or []
    if not found:
        raise ExperimentError(f"experiment {experiment.name}: its units gave no rows")
    frame = pd.DataFrame(found)
    clocked = [column for column in experiment.clocked if column in frame]
    steady = frame.drop(columns=clocked)
    write(folder.path / "rows.csv", steady.to_csv(index=False, lineterminator="\n"))
    write(folder.path / "rows.parquet", steady.to_parquet(index=False))
    if clocked:
        write(folder.path / "clock.csv", frame.to_csv(index=False, lineterminator="\n"))
    return frame


def publish(experiment: "Experiment[Any, Any]", config: Config, frame: "pd.DataFrame", path: Path) -> None:
    """Write table.md, table.json, and every figure as PNG and SVG."""
    from edgewright.emulation.experiments.drawing import images  # noqa: PLC0415 - matplotlib

    comparison = experiment.comparison(frame, config)
    write(path / "table.md", comparison.markdown(f"{experiment.title} ({experiment.source})"))
    about = {
        "name": experiment.name,
        "title": experiment.title,
        "source": experiment.source,
        "question": experiment.question,
    }
    write(path / "table.json", json.dumps({**about, **comparison.plain()}, indent=2) + "\n")
    for name, figure in experiment.figures(frame, config).items():
        for suffix, content in images(figure).items():
            write(path / f"{name}.{suffix}", content)
