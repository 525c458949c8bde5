"""What a run tells while it lasts."""

from edgewright.emulation.chaos.progress import Progress
from edgewright.emulation.chaos.recording import DagSample, Sample


def test_a_step_is_told_once_and_its_detail_follows_the_cluster() -> None:
    told: list[tuple[str, str]] = []
    progress = Progress(lambda step, detail="": told.append((step, detail)))
    dag = DagSample(4, 3, 2, False, False)
    progress.show(Sample(0, {"ns/a": dag}, 10, 9, []))
    assert told == [], "nothing is told before the first step"
    progress.say("cut nodes")
    progress.show(Sample(1, {"ns/a": dag}, 10, 9, [], answers=False))
    assert [detail for _, detail in told] == [
        "2 of 4 replicas Ready, 9 of 10 nodes",
        "the API server does not answer",
    ]
    assert len({step for step, _ in told}) == 1
    assert told[0][0].endswith("s  cut nodes")
