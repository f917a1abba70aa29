# syntax=docker/dockerfile:1
# One image for every role: `serve` (default), `migrate`, and the operators' commands of server.py.
# Not built by the tests, which have no Docker: docs/OPERATIONS.md, "Many machines", says what was checked.

# --- the web app ------------------------------------------------------------------------------
FROM node:24-bookworm-slim AS spa
WORKDIR /spa
COPY frontend/package.json frontend/package-lock.json ./
# The lockfile pins everything. No scripts of packages run.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY frontend/ ./
RUN npm run build

# --- Python packages --------------------------------------------------------------------------
FROM python:3.11-slim-bookworm AS packages
WORKDIR /srv/tongyou
COPY setup.py ./
# The list of packages alone, so that this layer lasts until it changes: the program runs from its folder.
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check setuptools wheel \
    && .venv/bin/python setup.py -q egg_info \
    && sed '/^\[/,$d' tongyou.egg-info/requires.txt > requirements.txt \
    && sed -n '/^\[:/,/^$/p' tongyou.egg-info/requires.txt | grep -v '^\[' >> requirements.txt \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: -r requirements.txt \
    && .venv/bin/pip uninstall -q -y setuptools wheel \
    && rm -rf tongyou.egg-info requirements.txt

# --- what runs --------------------------------------------------------------------------------
FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 tongyou \
    && useradd --uid 10001 --gid tongyou --no-create-home --home-dir /srv/tongyou --shell /usr/sbin/nologin tongyou
WORKDIR /srv/tongyou
COPY --from=packages /srv/tongyou/.venv .venv
COPY server.py settings.py supervisord.conf ./
COPY wiring wiring
COPY domain domain
COPY handlers handlers
COPY operations operations
COPY realtime realtime
COPY storage storage
COPY --from=spa /spa/dist frontend/dist
# Compiled once here, since the user of the process may not write. `var` is the only place it may. What the
# processes print goes to the container's own output.
RUN sed -i -e 's|^stdout_logfile=.*|stdout_logfile=/dev/fd/1|' -e 's|^stdout_logfile_maxbytes=.*|stdout_logfile_maxbytes=0|' \
        -e '/^stdout_logfile_backups=/d' supervisord.conf \
    && .venv/bin/python -m compileall -q wiring domain handlers operations realtime storage server.py settings.py \
    && mkdir -p var/log \
    && chown -R tongyou:tongyou var
USER tongyou
ENV HOST=0.0.0.0 \
    PORT=8000 \
    PROCESSES=1 \
    WORKERS=0 \
    LOG_FORMAT=json \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TONGYOU_USER=tongyou \
    TONGYOU_MINFDS=65536 \
    TONGYOU_STOP_SECONDS=45
VOLUME /srv/tongyou/var
EXPOSE 8000
# Ready: the database, the schema, the loop. While it drains the answer is 503.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD [".venv/bin/python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/ready', timeout=4)"]
# supervisord drains its processes on SIGTERM; give it longer than DRAIN_SECONDS (compose: stop_grace_period).
STOPSIGNAL SIGTERM
CMD [".venv/bin/supervisord", "--nodaemon", "--silent", "--configuration", "supervisord.conf"]
