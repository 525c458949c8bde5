# The images of Edgewright. `make images` builds them; docker, podman and buildah all can.
#
# The digest is that of the multi-platform index of python:3.11-slim-bookworm (Python 3.11.16).
ARG BASE=docker.io/library/python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
ARG BUILDER=${BASE}

FROM ${BUILDER} AS builder
RUN command -v cc > /dev/null \
    || { apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; }
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements/wheel.txt requirements/
RUN python3 -m venv --without-pip /opt/wheel \
    && python3 -m pip --python /opt/wheel/bin/python3 install --quiet --require-hashes -r requirements/wheel.txt
COPY images/install images/finish images/

# What each image needs besides our own code.
FROM builder AS operator-packages
COPY requirements/operator.txt requirements/
RUN sh images/install requirements/operator.txt

FROM builder AS agent-packages
COPY requirements/agent.txt requirements/
RUN sh images/install requirements/agent.txt

FROM builder AS testbed-packages
COPY requirements/testbed.txt requirements/
RUN sh images/install requirements/testbed.txt

# Our own code, built once.
FROM builder AS wheel
COPY . .
RUN /opt/wheel/bin/hatchling build -t wheel -d /wheel

# Machine code is compiled here, for any processor of the architecture: an image runs on other machines than this one.
# Minutes, and only when the sources below change.
FROM builder AS kernels
COPY requirements/kernels.txt requirements/
RUN sh images/install requirements/kernels.txt
COPY core/edgewright /opt/edgewright/lib/python3.11/site-packages/edgewright
COPY kube/edgewright /opt/edgewright/lib/python3.11/site-packages/edgewright
COPY agents/edgewright /opt/edgewright/lib/python3.11/site-packages/edgewright
COPY images/link.py images/link.c images/
ENV NUMBA_CPU_NAME=generic
RUN /opt/edgewright/bin/python3 -m edgewright.agents.machine_code \
    && /opt/edgewright/bin/python3 images/link.py /opt/edgewright/lib/python3.11/site-packages/edgewright/core/_kernels.so

FROM operator-packages AS operator-files
COPY --from=wheel /wheel /wheel
RUN sh images/finish /wheel/*.whl \
    && /opt/edgewright/bin/python3 -c 'import edgewright.cli.operator, edgewright.operator.process'

FROM agent-packages AS agent-files
COPY --from=wheel /wheel /wheel
COPY --from=kernels /opt/edgewright/lib/python3.11/site-packages/edgewright/core/_kernels.so \
     /opt/edgewright/lib/python3.11/site-packages/edgewright/core/
RUN sh images/finish /wheel/*.whl \
    && /opt/edgewright/bin/python3 -c 'from edgewright.agents.rehearsal import rehearse_decision; rehearse_decision()'

FROM testbed-packages AS testbed-files
COPY --from=wheel /wheel /wheel
COPY --from=kernels /opt/edgewright/lib/python3.11/site-packages/edgewright/core/__pycache__ \
     /opt/edgewright/lib/python3.11/site-packages/edgewright/core/__pycache__
RUN sh images/finish /wheel/*.whl

# What runs.
FROM ${BASE} AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.vendor="Edgewright" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENV PATH=/opt/edgewright/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["edgewright"]

FROM runtime AS operator
LABEL org.opencontainers.image.title="edgewright-operator" \
      org.opencontainers.image.description="Turns ServiceDAGs into Deployments, Services and PodDisruptionBudgets"
COPY --from=operator-files /opt/edgewright /opt/edgewright

FROM runtime AS agent
LABEL org.opencontainers.image.title="edgewright-agent" \
      org.opencontainers.image.description="Places the pods of ServiceDAGs on the nodes of a region"
COPY --from=agent-files /opt/edgewright /opt/edgewright

FROM runtime AS testbed
LABEL org.opencontainers.image.title="edgewright-testbed" \
      org.opencontainers.image.description="The emulated city: nodes, links and data plane"
COPY --from=testbed-files /opt/edgewright /opt/edgewright
