"""SI units inside, named units at the edges: the conversion factors, once."""

MS = 1e-3
"""Seconds in a millisecond."""
KB = 8_000.0
"""Bits in a kilobyte (1 KB = 1000 bytes)."""
MBPS = 1e6
"""Bit/s in a megabit per second."""
GBPS = 1e9
"""Bit/s in a gigabit per second."""
MIB = 2.0**20
"""Bytes in a mebibyte."""
GIB = 2.0**30
"""Bytes in a gibibyte."""
M_INSTRUCTIONS = 1e6
"""Instructions in a million."""
CORE_SPEED = 10e9
"""Instructions per second of one vCPU: about 3 GHz at 3 instructions per cycle."""
