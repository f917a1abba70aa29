"""One run: settle in, let the schedule happen, put everything right, ask whether all promises were kept.

Owns the order and the bounds in time: nothing here waits for ever, and whatever goes wrong ends as a line of
`Outcome.broken`. Called by `tests.chaos.test_chaos` and `python -m tests.chaos`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pymysql

from tests.chaos import checks
from tests.chaos.cluster import PRESENCE_TTL, Cluster
from tests.chaos.crowd import Crowd, insist, settle_in
from tests.chaos.schedule import CLIENTS, Fault, Schedule, make_schedule
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis

PROMISE = 5.0
"""Seconds that a lost message may delay a member (R3.5) ..."""
SLACK = 5.0
"""... and what a busy machine may add."""
SETTLE = 30.0
"""For everybody to be back and answered when nothing is broken any more."""
GLANCE = 0.5
SIGN_INS = 15.0
"""Seconds after which a process closes whoever signed out elsewhere, also when nobody told it (R7.1)."""
ENDED = 45.0
"""For every answer to have ended: the lease of a process that died (15), what others wait for after an outage
(8), and a look every 5 seconds (R9.5); and what a busy machine may add."""


@dataclass
class Outcome:
    """What a run showed. `broken` is empty when every promise was kept."""

    schedule: Schedule
    broken: list[str] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    def report(self) -> str:
        """Everything that one needs to see what happened, and to see it again."""
        lines = [str(self.schedule), "timeline:", *self.timeline]
        lines += [f"figures: {self.figures}", "broken promises:", *self.broken]
        lines += [
            f"again: make chaos SEED={self.schedule.seed} RUNS=1 SECONDS={self.schedule.seconds:g}",
        ]
        return "\n".join(lines)


class Story:
    """See the module."""

    def __init__(self, seed: int, seconds: float, defect: str = "") -> None:
        self.schedule = make_schedule(seed, seconds)
        self.outcome = Outcome(self.schedule)
        self.cluster = Cluster(random.Random(f"cluster {seed}"), defect)
        self.crowd = Crowd()
        self.began = time.monotonic()
        self.heads: list[tuple[float, int]] = []
        self.calm_since = 0.0
        self._running = 0
        self._expected: dict[int, int] = {}
        """Persons who must be sent away, and with which code."""

    def say(self, what: str) -> None:
        """Write into the timeline."""
        self.outcome.timeline.append(f"{time.monotonic() - self.began:6.2f} s  {what}")

    async def run(self, mariadb: MariaDB, redis: Redis, limit: float) -> Outcome:
        """The whole run, in `limit` seconds at most."""
        try:
            async with asyncio.timeout(limit):
                await self.cluster.start(mariadb, redis)
                await self._live()
        except TimeoutError as error:
            self.broken(f"something did not end in time: {error!r}")
        except Exception as error:
            self.broken(f"the run itself failed: {error!r}")
        finally:
            self.outcome.logs = self.cluster.logs()
            async with asyncio.timeout(60):
                await self.crowd.leave()
                await self.cluster.aclose()
        return self.outcome

    def broken(self, what: str) -> None:
        self.say(f"BROKEN {what}")
        self.outcome.broken.append(what)

    async def _live(self) -> None:
        cluster = self.cluster
        self.say("all processes are ready")
        before = await checks.tasks_at_rest(cluster)
        trip, apis = await settle_in(cluster.servers[0].url, CLIENTS)
        cluster.trip = trip
        urls = [[f"http://127.0.0.1:{link.port}" for link in links] for links in cluster.links]
        await self.crowd.gather(trip, apis, urls)
        base = await asyncio.to_thread(cluster.head)
        self.say(f"everybody is in the room, at seq {base}")
        await self._happen()
        await self._calm_down()
        await self._lose_every_message()
        self.say("everybody is level without messages")
        await self._judge(base)
        await self.crowd.leave()
        self.say("everybody has left")
        if self.schedule.seed % 4:
            # In one of four runs the heartbeat has to find the connections that are half-open.
            for links in cluster.links:
                for link in links:
                    link.reset()
        for complaint in await checks.leaks(cluster, before, self.say):
            self.broken(complaint)
        for complaint in checks.bad_lines(cluster.logs()):
            self.broken(complaint)
        self.say("the end")

    # --- what the schedule says -------------------------------------------------------------

    async def _happen(self) -> None:
        began = asyncio.get_running_loop().time()
        self.calm_since = began
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as group:
                for fault in self.schedule.faults:
                    group.create_task(self._fault(fault, began))
                group.create_task(self._steps(began, group))
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _steps(self, began: float, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        people = self.crowd.people
        urls = [server.url for server in self.cluster.servers]
        until = began + self.schedule.seconds + SETTLE / 2
        for step in self.schedule.steps:
            await asyncio.sleep(began + step.at - loop.time())
            if step.kind == "ask":
                group.create_task(people[step.client].ask(step, urls, until))
            else:
                people[step.client].act(step, people)

    async def _fault(self, fault: Fault, began: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(began + fault.at - loop.time())
        self.say(f"{fault.kind} ({fault.target})")
        # Only the bus has no excuse: a lost message may delay, and no longer than promised.
        excuse = not fault.kind.startswith("bus")
        self._running += excuse
        try:
            await (self._people_fault(fault) if fault.kind in PEOPLE else self.cluster.apply(fault))
        finally:
            self._running -= excuse
            if excuse:
                self.calm_since = loop.time()
        self.say(f"{fault.kind} ({fault.target}) is over")

    async def _people_fault(self, fault: Fault) -> None:
        owner, person = self.crowd.people[0], self.crowd.people[fault.target]
        rng = random.Random(fault.level)
        user = person.api.user_id
        if fault.kind == "role changed":
            for role in ("viewer", "editor"):
                owner.do({"kind": "member.set_role", "id": user, "role": role}, rng)
                await asyncio.sleep(fault.seconds)
        elif fault.kind == "removed":
            self._expected[fault.target] = 4403
            owner.do({"kind": "member.remove", "id": user}, rng)
        else:
            self._expected[fault.target] = 4401
            urls = [server.url for server in self.cluster.servers]
            await insist(person.api, urls, "POST", "/api/auth/logout")

    # --- nobody is left behind --------------------------------------------------------------

    async def _watch(self) -> None:
        """Compare everybody with the database while nothing but the bus is broken."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(GLANCE)
            with contextlib.suppress(pymysql.Error, OSError):
                at = loop.time()
                self.heads.append((at, await asyncio.to_thread(self.cluster.head)))
            if self._running:
                self.calm_since = loop.time()
            due = loop.time() - PROMISE - SLACK
            known = max((seq for at, seq in self.heads if at <= due), default=0)
            for person in self.crowd.present:
                since = max(self.calm_since, person.joined_at)
                if person.joined_at and since < due and person.seq < known:
                    self.broken(f"person {person.number} is at {person.seq}, {known} is {PROMISE} s old")
                    return

    async def _lose_every_message(self) -> None:
        """With a bus on which nothing arrives but the beacons, everybody is level in time (R3.5)."""
        for faults in self.cluster.bus_faults:
            faults.drop = 1.0
        rng = random.Random(self.schedule.seed)
        began = time.monotonic()
        # One alone: what others on other processes do would show them the gap.
        self.crowd.people[0].do({"kind": "message.post", "id": "last", "text": "还在吗?"}, rng)
        late = await self.crowd.until_level(0, PROMISE + SLACK, self.crowd.present)
        seq = await asyncio.to_thread(self.cluster.head)
        late += await self.crowd.until_level(seq, PROMISE + SLACK, self.crowd.present)
        self.outcome.figures["level without messages"] = round(time.monotonic() - began, 2)
        for complaint in late:
            self.broken(f"without messages {complaint}")
        for faults in self.cluster.bus_faults:
            faults.quiet()

    # --- the judgement ----------------------------------------------------------------------

    async def _calm_down(self) -> None:
        self.say("nothing is broken any more")
        await self.cluster.heal()
        for number, code in self._expected.items():
            person = self.crowd.people[number]
            with contextlib.suppress(TimeoutError):
                await person.until(lambda p=person: p.sent_away, SETTLE)  # type: ignore[misc]
            said = person.closings[-1]["code"] if person.closings else None
            if said != code:
                self.broken(f"person {number} was to be sent away with {code}, not {said}")
        began = time.monotonic()
        for complaint in await self.crowd.until_level(0, SETTLE, self.crowd.present):
            self.broken(complaint)
        seq = await asyncio.to_thread(self.cluster.head)
        for complaint in await self.crowd.until_level(seq, SETTLE, self.crowd.present):
            self.broken(complaint)
        self.outcome.figures["settled after"] = round(time.monotonic() - began, 2)
        self.say(f"everybody is at {seq}")
        await self._see_each_other()
        await self._hear_the_end()

    async def _see_each_other(self) -> None:
        began = time.monotonic()
        for complaint in await self.crowd.until_seen(SIGN_INS + PRESENCE_TTL + SLACK):
            self.broken(complaint)
        self.outcome.figures["seen after"] = round(time.monotonic() - began, 2)
        self.say("everybody sees everybody")

    async def _hear_the_end(self) -> None:
        """Every answer has ended, and everybody knows."""
        began = time.monotonic()
        while left := await asyncio.to_thread(checks.answers_left, self.cluster):
            if time.monotonic() - began > ENDED:
                self.broken(f"answers that never end: {left}")
                break
            await asyncio.sleep(GLANCE)
        seq = await asyncio.to_thread(self.cluster.head)
        for complaint in await self.crowd.until_level(seq, SETTLE, self.crowd.present):
            self.broken(complaint)
        self.outcome.figures["answers ended after"] = round(time.monotonic() - began, 2)
        self.say("every answer has ended")

    async def _judge(self, base: int) -> None:
        people = self.crowd.people
        truth = await asyncio.to_thread(checks.read_truth, self.cluster)
        self.outcome.figures |= {
            "events": len(truth.log),
            "operations": sum(len(person.sent) for person in people),
            "rejected": sum(len(person.rejected) for person in people),
            "connections": sum(len(person.close_codes) for person in people),
            "lost, repeated, swapped messages": sum(
                sum(faults.counts.values()) for faults in self.cluster.bus_faults
            ),
        }
        for complaint in checks.log_is_sound(truth, people, base):
            self.broken(complaint)
        for complaint in checks.everybody_agrees(truth, people):
            self.broken(complaint)
        answers = checks.read_answers(truth)
        self.outcome.figures["answers"] = len(answers)
        self.outcome.figures |= Counter(f"answers {answer.status}" for answer in answers.values())
        for complaint in checks.answers_are_sound(answers, people):
            self.broken(complaint)
        for complaint in checks.close_codes(self.schedule, people):
            self.broken(complaint)


PEOPLE = ("role changed", "removed", "signed out")
