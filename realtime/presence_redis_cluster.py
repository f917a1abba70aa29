"""Presence in Redis Cluster: the keys and scripts of `presence_redis`, each on the node that has it.

A room is one key, so no command ever needs two nodes. Owns who is asked, and that one node away costs
the rooms of that node only. Never raises. Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from redis.exceptions import MovedError

from realtime.link_redis import LOST
from realtime.nodes_redis import Nodes, slot_of
from realtime.presence_redis import Command, RedisPresenceStore, patient_client, pipelined

HOPS = 3
"""So many nodes are asked for one answer, each because the one before sent us there."""


class RedisClusterPresenceStore(RedisPresenceStore):
    """See `realtime.presence.PresenceStore`; `url` as for `Nodes`."""

    def _make(self, url: str, timeout: float) -> None:
        self._nodes = Nodes(url, lambda node: patient_client(node, timeout))
        self._looking = asyncio.Lock()

    async def ping(self) -> bool:
        """Every master answers, and every slot has one."""
        await self._look()
        clients = [self._nodes.client(each) for each in self._nodes.masters]
        answers = await asyncio.gather(*(pipelined(each, [("PING",)]) for each in clients))
        return self._nodes.complete and not any(isinstance(answer, Exception) for (answer,) in answers)

    async def aclose(self) -> None:
        await self._nodes.aclose()

    async def _run(self, rooms: list[str], commands: list[Command]) -> list[Any]:
        answers: list[Any] = [ConnectionError("the slot has no owner")] * len(commands)
        slots = [slot_of(self._key(room)) for room in rooms]
        waiting = list(range(len(commands)))
        for _ in range(HOPS):
            if not self._nodes.masters:
                await self._look()
            groups: dict[str, list[int]] = {}
            for n in waiting:
                address = self._nodes.owner(slots[n])
                if address is not None:
                    groups.setdefault(address, []).append(n)
            await asyncio.gather(
                *(self._ask(address, commands, asked, answers) for address, asked in groups.items())
            )
            waiting = [n for n in waiting if isinstance(answers[n], MovedError)]
            for n in waiting:
                self._nodes.note(answers[n])
            if not waiting:
                break
        if any(isinstance(answer, Exception) for answer in answers):
            await self._look()  # for the next call
        return answers

    async def _ask(self, address: str, commands: list[Command], asked: list[int], answers: list[Any]) -> None:
        found = await pipelined(self._nodes.client(address), [commands[n] for n in asked])
        for n, answer in zip(asked, found, strict=True):
            answers[n] = answer

    async def _look(self) -> None:
        """Ask where the slots are; what asks at the same time shares the answer."""
        if self._looking.locked():
            async with self._looking:
                return
        async with self._looking:
            with contextlib.suppress(*LOST):
                await self._nodes.refresh()
