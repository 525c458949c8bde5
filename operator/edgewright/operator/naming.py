"""Names of compiled objects: `<dag>-<microservice>`, with a hash suffix when too long or already taken."""

import hashlib

LONGEST = 63
"""Names become pod name prefixes, host names and label values."""
_DIGEST = 8


def plain(dag: str, microservice: str) -> str:
    """`<dag>-<microservice>`, or its suffixed form when that is over 63 characters."""
    name = f"{dag}-{microservice}"
    return name if len(name) <= LONGEST else suffixed(dag, microservice)


def suffixed(dag: str, microservice: str) -> str:
    """The same name cut and followed by a hash of both parts.

    `a-b` + `c` and `a` + `b-c` have one plain name but two suffixed ones.
    """
    digest = hashlib.sha256(f"{dag}/{microservice}".encode()).hexdigest()[:_DIGEST]
    return f"{dag}-{microservice}"[: LONGEST - _DIGEST - 1].rstrip("-") + f"-{digest}"


def candidates(dag: str, microservice: str) -> tuple[str, str]:
    """The name to use, and the one to use if another ServiceDAG has the first."""
    return plain(dag, microservice), suffixed(dag, microservice)
