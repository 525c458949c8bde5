"""The emulated city: scenarios, topology and the testbed that runs them on a real control plane."""
