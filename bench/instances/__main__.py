"""Draws the committed instances again: python -m bench.instances."""

import json

from bench.instances import FILE, draw

FILE.write_text(json.dumps(draw(), separators=(",", ":")).replace("],", "],\n") + "\n")
