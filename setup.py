"""How Tongyou is installed: its packages, the console script and every pinned dependency.

Owns the list of Python dependencies; no other file repeats it. Never imports the application.
Read by `pip install -e .` (the Makefile calls it when this file changed) and by `pip install -e .[dev]`.
"""

from setuptools import find_packages, setup

# Exact pins: two installs of one commit must be the same program. Raise them here, run `make test`, commit.
RUNTIME = [
    "tornado==6.6.1",
    "SQLAlchemy==2.1.9",
    "PyMySQL==1.2.4",
    "redis==8.1.0",
    "hiredis==3.5.0",
    "alembic==1.20.1",
    "msgspec==0.22.0",
    "argon2-cffi==25.1.0",
    "python-dotenv==1.2.4",
    "uvloop==0.23.0; sys_platform != 'win32'",
    "prometheus_client==0.26.0",
    "structlog==26.1.0",
    "supervisor==4.3.0",
    "Jinja2==3.1.6",
    "fractional-indexing==0.1.3",
    "email-validator==2.4.0",
    "openai[aiohttp]==3.54.0",
    # Both come with it; pinned, since they read every word that a model says.
    "aiohttp==3.14.5",
    "httpx2==2.16.2",
    # Background work: the workers' doorbell, and trips as calendars.
    "celery==5.7.0",
    "kombu==5.7.0",
    # What kombu imports for Redis, but does not ask for.
    "packaging==26.4",
    "icalendar==7.3.2",
    "aiosmtplib==5.1.3",
    "pillow==13.0.0",
]

DEV = [
    # pytest 10 removes the hook marks that pytest-tornasync still uses, so stay below it.
    "pytest==9.2.0",
    "pytest-tornasync==0.6.0.post2",
    "pytest-timeout==2.4.0",
    "pytest-xdist==3.8.0",
    "hypothesis==6.170.15",
    "playwright==1.65.2",
    "axe-playwright-python==0.1.8",
    "websocket-client==1.9.2",
    "jsonschema==4.26.0",
    "openapi-spec-validator==0.9.0",
    "schemathesis==4.32.5",
    "psutil==7.2.2",
    "aiosmtpd==1.4.6",
    "import-linter==2.16",
    "ruff==0.17.6",
    "mypy==2.4.1",
]

# Apart from `dev`: a whole database server in a wheel of 54 MB, for `make test-engines` alone.
ENGINES = [
    "pylibseekdb==1.4.0.post1",
]

# Apart from `dev`, because locust brings flask and gevent, which no test needs.
LOAD = [
    "locust==2.47.0",
    "websocket-client==1.9.2",
    "psutil==7.2.2",
    "py-spy==0.4.3",
]

setup(
    name="tongyou",
    version="0.1.0",
    description="Plan, travel and share a trip together, live",
    python_requires=">=3.11",
    packages=find_packages(
        include=[
            f"{name}{suffix}"
            for name in ("wiring", "handlers", "operations", "realtime", "domain", "storage")
            for suffix in ("", ".*")
        ]
    ),
    py_modules=["server", "settings"],
    package_data={
        "": ["*.json", "*.j2", "*.mako", "*.ini", "*.html", "*.txt", "*.sql", "py.typed"],
        # Not packages, so the patterns above do not reach them.
        "domain": ["samples/*.json"],
        "realtime.assistant": ["templates/*.j2"],
        "realtime.jobs": ["templates/*.j2"],
    },
    install_requires=RUNTIME,
    extras_require={"dev": DEV, "load": LOAD, "engines": ENGINES},
    entry_points={"console_scripts": ["tongyou = server:cli"]},
)
