"""Tools that the model uses become one proposal, as far as they fit, or none when it is stopped."""

from __future__ import annotations

import asyncio
from typing import Any

from domain import operations as ops
from domain.operations import StopFields
from domain.services.talk import read_proposals
from domain.talk import ReadProposals
from realtime.assistant.answering import Budgets
from tests.realtime.assistant.world import ANN, BOB, EVE, Node, Processes, gone, kinds
from tests.realtime.world import turns

ADD = '{"id": "new1", "fields": {"name": "Shaxi"}}'


async def test_tools_become_one_proposal_and_refusals_are_told_back(world: Processes, node: Node) -> None:
    asked = await node.ask("Add Shaxi")
    call = await node.model.asked()
    call.think("let me see")
    call.say("I look.")
    call.use(("stop_add", ADD), ("stop_remove", '{"id": "nowhere"}'))
    second = await node.model.asked(1)
    assert call.closed
    *_, said, accepted, refused = second.request.messages
    assert said.role == "assistant" and said.reasoning == "let me see" and len(said.tool_calls or ()) == 2
    assert '"ok":true' in accepted.content and '"error":"not_found"' in refused.content
    second.use(("stop_set_fields", '{"id": "new1", "fields": {"kind": "sight", "notes": "old market"}}'))
    third = await node.model.asked(2)
    third.say("I propose Shaxi.")
    third.finish()
    ended = await (await node.follow(asked)).all()
    assert ended.text == "I look.\n\nI propose Shaxi." and ended.usage is not None
    assert (ended.usage.prompt_tokens, ended.usage.completion_tokens) == (30, 15)
    (proposal,) = await node.run(read_proposals, ReadProposals(world.trip_id, ANN))
    assert proposal.id == ended.proposal and proposal.message == asked.answer_id
    assert (proposal.author, proposal.asked_by) == ("assistant", "ann")
    assert [ops.kind_of(piece.op) for piece in proposal.pieces] == ["stop.add", "stop.set_fields"]
    assert (await kinds(world))[-2:] == ["proposal.open", "answer.finish"]
    await world.do(ops.AcceptProposal(proposal.id), BOB)
    assert "stop.add" in await kinds(world)


async def test_a_viewer_may_have_changes_proposed(world: Processes, node: Node) -> None:
    asked = await node.ask("Add Shaxi", actor=EVE)
    (await node.model.asked()).use(("stop_add", ADD))
    (await node.model.asked(1)).finish()
    ended = await (await node.follow(asked)).all()
    assert (ended.status, ended.text) == ("done", "") and ended.proposal is not None


async def test_rounds_are_bounded(world: Processes) -> None:
    node = await world.node(budgets=Budgets(rounds=2))
    asked = await node.ask()
    for n in range(2):
        (await node.model.asked(n)).use(("stop_add", '{"fields": {"name": "Again"}}'))
    ended = await (await node.follow(asked)).all()
    assert ended.status == "done" and len(node.model.calls) == 2
    (proposal,) = await node.run(read_proposals, ReadProposals(world.trip_id, ANN))
    assert len(proposal.pieces) == 2


async def test_what_no_longer_fits_is_left_out_and_said(world: Processes, node: Node) -> None:
    await world.do(ops.AddStop("s1", StopFields(name="Dali")))
    asked = await node.ask()
    call = await node.model.asked()
    call.use(("stop_remove", '{"id": "s1"}'), ("stop_add", ADD))
    second = await node.model.asked(1)
    await world.do(ops.RemoveStop("s1"))
    second.say("Done.")
    second.finish()
    ended = await (await node.follow(asked)).all()
    assert ended.status == "done" and ended.proposal is not None
    assert ended.text.startswith("Done.") and "1 of the changes" in ended.text


async def test_stopped_in_the_middle_of_its_tools_nothing_is_proposed(world: Processes, node: Node) -> None:
    asked = await node.ask()
    (await node.model.asked()).use(("stop_add", ADD))
    second = await node.model.asked(1)
    await node.assistant.stop(ANN, asked.answer_id, world.trip_id)
    await gone(node)
    assert second.closed and await node.run(read_proposals, ReadProposals(world.trip_id, ANN)) == []


async def test_a_stop_while_the_proposal_is_stored_leaves_both_or_none(world: Processes, node: Node) -> None:
    asked = await node.ask()
    (await node.model.asked()).use(("stop_add", ADD))
    second = await node.model.asked(1)
    waiting, going_on = asyncio.Event(), asyncio.Event()
    run = node.runner.__call__

    async def slowly(service: Any, command: Any) -> Any:
        if service.__name__ == "propose":
            waiting.set()
            await going_on.wait()
        return await run(service, command)

    node.runner = slowly  # type: ignore[assignment]
    second.finish()
    await waiting.wait()
    await node.assistant.stop(ANN, asked.answer_id, world.trip_id)
    await turns()
    going_on.set()
    ended = await (await node.follow(asked)).all()
    (proposal,) = await run(read_proposals, ReadProposals(world.trip_id, ANN))
    assert (ended.status, ended.proposal) == ("stopped", proposal.id)
    await gone(node)
    node.runner = run.__self__  # type: ignore[attr-defined]
