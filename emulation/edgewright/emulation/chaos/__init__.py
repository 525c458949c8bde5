"""Failures and bursts on purpose: actions and probes for Chaos Toolkit, and the runs of `edgewright chaos`.

`actions` and `probes` are named by the experiments in `scenarios/` and can be named by any other. An action
plans by reading only, writes its plan into the `ledger`, and only then injects; the plan alone is enough to
heal it, so that whatever a killed run left behind can be mended later.
"""
