"""What is said about an object that the schema accepts but that has no meaning."""

from edgewright.kube.conditions import Reason


class ConversionError(ValueError):
    """An object that the schema accepts but that has no meaning; `reason` is the condition reason."""

    def __init__(self, target: str, field: str, problem: str, reason: Reason = Reason.INVALID_SPEC) -> None:
        """`target` is `Kind namespace/name`, `problem` says what was found and what to do."""
        self.target = target
        self.field = field
        self.reason = reason
        super().__init__(f"{target}: {field}: {problem}")
