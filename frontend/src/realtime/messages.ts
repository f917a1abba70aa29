/**
 * Messages as the app sees them: every field present, and own operations that wait laid over. Pure.
 */
import type { About, Answer, Message, Operation, TalkChange } from '../protocol.gen'
import type { Pending } from './outbox'
import type { RecordRef, TalkMessage } from './state'

/** A wire message leaves out what is at its default. */
export function normalizeMessage(message: Message): TalkMessage {
  return {
    id: message.id,
    seq: message.seq ?? 0,
    channel: message.channel ?? 'chat',
    author: message.author ?? '',
    at: message.at ?? '',
    text: message.text ?? '',
    reply_to: message.reply_to ?? null,
    about: message.about ?? null,
    mentions: message.mentions ?? [],
    reactions: message.reactions ?? {},
    edited_at: message.edited_at ?? null,
    deleted: message.deleted ?? false,
    resolved_by: message.resolved_by ?? null,
    resolved_at: message.resolved_at ?? null,
    answer: message.answer == null ? null : normalizeAnswer(message.answer),
    pending: false,
  }
}

export function normalizeAnswer(answer: Answer): Required<Answer> {
  return {
    question: answer.question ?? '',
    asked_by: answer.asked_by ?? '',
    status: answer.status ?? 'streaming',
    model: answer.model ?? '',
    reasoning: answer.reasoning ?? '',
    fault: answer.fault ?? null,
    usage: answer.usage ?? null,
    sources: answer.sources ?? [],
    proposal: answer.proposal ?? null,
  }
}

/** The message as the change leaves it; null when it is not known and the change does not bring it. */
export function applyTalk(message: TalkMessage | null, change: TalkChange): TalkMessage | null {
  if (message === null && !change.new) return null
  return normalizeMessage({ ...message, ...change.set, id: change.id } as Message)
}

/** `stop:<id>`: what a comment is on, whichever field of it. */
export const recordOf = (about: Pick<About, 't' | 'id'>): RecordRef => `${about.t}:${about.id}`

export const isUnderWay = (message: TalkMessage): boolean =>
  message.answer !== null && (message.answer.status === 'queued' || message.answer.status === 'streaming')

/** What own operations that wait make of messages: only those that they touch. */
export function overlay(
  confirmed: ReadonlyMap<string, TalkMessage>, pending: readonly Pending[], me: string,
): Map<string, TalkMessage> {
  const shown = new Map<string, TalkMessage>()
  for (const each of pending) {
    const id = 'id' in each.op ? each.op.id : ''
    const message = predictTalk(shown.get(id) ?? confirmed.get(id) ?? null, each, me, confirmed)
    if (message !== null) shown.set(id, message)
  }
  return shown
}

function predictTalk(
  message: TalkMessage | null, pending: Pending, me: string, confirmed: ReadonlyMap<string, TalkMessage>,
): TalkMessage | null {
  const { op, createdAt } = pending
  if (op.kind === 'message.post') {
    if (message !== null) return null
    const replied = op.reply_to == null ? null : confirmed.get(op.reply_to)
    const about = op.about ?? (op.channel === 'comment' ? (replied?.about ?? null) : null)
    const at = new Date(createdAt).toISOString()
    return { ...normalizeMessage({ ...op, about, author: me, at }), pending: true }
  }
  if (message === null || message.deleted) return null
  switch (op.kind) {
    case 'message.edit':
      return { ...message, text: op.text, mentions: op.mentions ?? [], edited_at: message.edited_at ?? message.at, pending: true }
    case 'message.delete':
      return { ...message, text: '', deleted: true, pending: true }
    case 'message.react':
      return { ...message, reactions: reacted(message.reactions, op.emoji, me, op.on ?? true) }
    case 'comment.resolve': {
      const resolved = op.resolved ?? true
      return { ...message, resolved_by: resolved ? me : null, resolved_at: resolved ? new Date(createdAt).toISOString() : null }
    }
    default:
      return null
  }
}

function reacted(before: Record<string, string[]>, emoji: string, user: string, on: boolean): Record<string, string[]> {
  const others = (before[emoji] ?? []).filter((each) => each !== user)
  const after = { ...before, [emoji]: on ? [...others, user] : others }
  if (after[emoji]?.length === 0) delete after[emoji]
  return after
}

const TALK_KINDS: ReadonlySet<string> = new Set([
  'message.post', 'message.edit', 'message.delete', 'message.react', 'comment.resolve',
])

export const isTalkOperation = (op: Operation): boolean => TALK_KINDS.has(op.kind)
export const isProposalOperation = (op: Operation): boolean => op.kind.startsWith('proposal.')
