# The image for everything of ours in production: web server, workers, jobs in containers, and the
# Prefect server with the versions it has been tested with. compose.yaml shows how each is started.
#
#     docker build --tag pygeoapi-prefect .
#
# Your own processes go on top of it:
#
#     FROM pygeoapi-prefect
#     USER root
#     RUN uv pip install my-processes
#     COPY pygeoapi-config.yml /etc/pygeoapi/
#     USER pygeoapi

FROM python:3.12-slim AS base
# Outside the environment, which has exactly what is locked.
RUN python -m venv /opt/uv && /opt/uv/bin/python -m pip install --no-cache-dir 'uv>=0.9,<1'
ENV PATH=/opt/pygeoapi-prefect/bin:$PATH:/opt/uv/bin \
    VIRTUAL_ENV=/opt/pygeoapi-prefect \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1

FROM base AS build
WORKDIR /build
COPY pyproject.toml requirements.lock ./
# Names only: requirements.lock has the versions, and the hashes.
RUN uv venv --python "$(command -v python3)" "$VIRTUAL_ENV" && \
    uv pip install --constraint requirements.lock \
        --requirement pyproject.toml --extra s3 --extra docker gunicorn prefect-redis
# Later than the dependencies, which take minutes and change seldom.
COPY README.md LICENSE ./
COPY src src
# What images on top of this one install may need this package. By its name installers would find
# another project: see UV_CONSTRAINT below.
RUN uv pip install --no-deps . && \
    uv pip list --format freeze | grep '^pygeoapi-prefect=' >"$VIRTUAL_ENV/constraints.txt"

FROM base
# By hand: slim images need not have useradd.
RUN echo 'pygeoapi:x:1000:1000::/home/pygeoapi:/bin/sh' >>/etc/passwd && \
    echo 'pygeoapi:x:1000:' >>/etc/group && \
    install --directory --owner 1000 --group 1000 /home/pygeoapi
COPY --from=build /opt/pygeoapi-prefect /opt/pygeoapi-prefect
# `uv pip install` on top of this image keeps this package, or fails and says why.
ENV UV_CONSTRAINT=/opt/pygeoapi-prefect/constraints.txt
USER pygeoapi
WORKDIR /home/pygeoapi
CMD ["pygeoapi-prefect", "--help"]
