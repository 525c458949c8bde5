from edgewright.kube.conditions import ConditionType, Reason, condition, find, is_true, merge

READY = ConditionType.READY
BEFORE = [
    condition(READY, "True", Reason.AVAILABLE, generation=1, at="2026-01-01T00:00:00Z"),
    condition(ConditionType.PLACED, "True", Reason.PLACED_BY_EXACT, generation=1, at="2026-01-01T00:00:00Z"),
]


def test_the_transition_time_moves_only_with_the_status() -> None:
    later = "2026-02-02T00:00:00Z"
    same = condition(READY, "True", Reason.AVAILABLE, "still", generation=2, previous=BEFORE, at=later)
    assert same["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert same["observedGeneration"] == 2
    other = condition(READY, "False", Reason.REPLICAS_NOT_READY, generation=2, previous=BEFORE, at=later)
    assert other["lastTransitionTime"] == later


def test_merging_replaces_one_type_and_keeps_the_others() -> None:
    change = condition(READY, "False", Reason.NODE_LOST, generation=2)
    merged = merge(BEFORE, [change])
    assert [entry["type"] for entry in merged] == ["Ready", "Placed"]
    assert not is_true(merged, READY)
    assert is_true(merged, ConditionType.PLACED)
    assert find(merged, ConditionType.DEGRADED) is None


def test_long_messages_are_cut_to_what_the_schema_allows() -> None:
    assert len(condition(READY, "False", Reason.INVALID_SPEC, "x" * 5000, generation=1)["message"]) == 1024


def test_every_reason_is_one_word_with_a_meaning_of_its_own() -> None:
    for reason in Reason:
        assert reason.isalpha()
        assert reason[0].isupper()
        assert len(reason) <= 64
        assert reason.meaning
    assert len({reason.meaning for reason in Reason}) == len(Reason)
