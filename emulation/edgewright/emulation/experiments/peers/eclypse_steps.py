"""Steps per CPU-second of ECLYPSE; runs in an environment of its own and prints one JSON object."""

import json
import sys
import tempfile
import time


def main(nodes: int, applications: int, steps: int) -> None:
    """CPU seconds of `steps` steps beyond the first, in which everything is placed."""
    first = measure(nodes, applications, 1)
    whole = measure(nodes, applications, 1 + steps)
    sys.stdout.write(json.dumps({"steps": steps, "cpu_s": whole - first}) + "\n")


def measure(nodes: int, applications: int, steps: int) -> float:
    """CPU seconds of a run: Sock Shops of 7 services on random infrastructure, first fit, default metrics."""
    from eclypse.builders.application import get_sock_shop
    from eclypse.builders.infrastructure import get_random
    from eclypse.placement.strategies import FirstFitStrategy
    from eclypse.simulation import Simulation, SimulationConfig

    infrastructure = get_random(
        nodes, p=min(1.0, 6 / nodes), symmetric=True, include_default_assets=True, resource_init="max", seed=1
    )
    with tempfile.TemporaryDirectory() as folder:
        config = SimulationConfig(
            max_steps=steps, seed=1, path=folder, include_default_metrics=True, log_level="ERROR"
        )
        simulation = Simulation(infrastructure, simulation_config=config)
        for i in range(applications):
            application = get_sock_shop(application_id=f"shop-{i}", include_default_assets=True, seed=i)
            simulation.register(application, FirstFitStrategy())
        began = time.process_time()
        simulation.run()
        return time.process_time() - began


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
