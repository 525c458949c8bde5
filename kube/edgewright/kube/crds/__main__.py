"""`python -m edgewright.kube.crds [FOLDER]`: write the definitions (default: manifests/crds)."""

import sys
from pathlib import Path

from edgewright.kube.crds.generate import write

if __name__ == "__main__":
    for file in write(Path(sys.argv[1] if len(sys.argv) > 1 else "manifests/crds")):
        print(file)
