"""What the testbed refuses or fails at, in words that a user can act on."""


class TestbedError(Exception):
    """A testbed command cannot be done; the message names the thing, what was found and what to do."""

    __test__ = False
