"""The fluid simulator: cities in steps of a control period, through core's latency functions."""
