# The workbench in a container. It needs no network once it is built.
#
#   docker build -t diffbio-workbench .                               CPU
#   docker build -t diffbio-workbench --build-arg ACCELERATOR=cuda .  NVIDIA; run with --gpus all
#   docker run -p 5006:5006 -v diffbio-data:/data diffbio-workbench

FROM python:3.12-slim AS build
ARG ACCELERATOR=cpu
WORKDIR /opt/workbench
RUN pip install --no-cache-dir uv && uv venv --python /usr/local/bin/python /opt/venv
COPY pyproject.toml README.md LICENSE ./
COPY .ci/constraints.txt .ci/
COPY assets/fonts assets/fonts
# The dependencies first, with empty packages, so that a change of our code does not fetch them again.
RUN mkdir app diffbio_engine && touch app/__init__.py diffbio_engine/__init__.py \
    && if [ "$ACCELERATOR" = cuda ]; then project='.[cuda]'; else project='.'; fi \
    && uv pip install --no-cache --python /opt/venv/bin/python \
       --constraint .ci/constraints.txt --editable "$project"
COPY . .
RUN /opt/venv/bin/python -m compileall -q /opt/venv/lib app diffbio_engine

FROM python:3.12-slim
# A shell script starts the server; hostname tells it under which names it may be reached.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin workbench \
    && install -d -o workbench -g workbench /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/workbench /opt/workbench
WORKDIR /opt/workbench
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    HOST=0.0.0.0 \
    PORT=5006 \
    DATA_DIR=/data
USER 10001
VOLUME /data
EXPOSE 5006
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + os.environ.get('PREFIX', '') + '/liveness', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["bash", ".ci/serve.sh", "/opt/venv/bin/python"]
