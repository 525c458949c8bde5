"""What a chaos run refuses, in one line that says what to do."""


class ChaosError(Exception):
    """A scenario, a variable or a target that cannot be used, or an injection that did not work."""
