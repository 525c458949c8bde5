"""The emulated data plane: answers HTTP requests for a ServiceDAG as its placement would, right now."""
