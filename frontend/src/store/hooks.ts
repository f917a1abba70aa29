/**
 * What components read of the room they are in. Each hook re-renders its component only when the
 * value that it returns has changed.
 *
 * `<RoomContext.Provider value={room}>` above, `openRoom` (room.ts) to make one.
 */
import { createContext, useContext, useEffect } from 'react'
import { useStore } from 'zustand'
import { useShallow } from 'zustand/react/shallow'
import type { Day, Member, Pointer, RecordType, Stop, Trip } from '../protocol.gen'
import type { DraftState } from '../realtime/draft'
import type { ProposalsState, ShownProposal } from '../realtime/proposals'
import type { RoomClient } from '../realtime/roomClient'
import {
  type AnswerStream, type Conflict, type Connection, type Failure, type Glow, IDEAS, type ListKey, type Me, NO_IDS, NO_LIST,
  type PersonGroup, type RecordRef, type RoomState, type TalkList, type TalkMessage, type ThreadTotals,
} from '../realtime/state'
import type { Room } from './room'

export const RoomContext = createContext<Room | null>(null)

export function useRoom(): Room {
  const room = useContext(RoomContext)
  if (room === null) throw new Error('there is no room here: RoomContext.Provider is missing')
  return room
}

/** To submit, undo, point ... */
export const useRoomClient = (): RoomClient => useRoom().client

/** Any part of the state; the selector must return the same value while nothing changed. */
export function useRoomState<T>(selector: (state: RoomState) => T): T {
  return useStore(useRoom().store, selector)
}

export const useStatus = (): RoomState['status'] => useRoomState((state) => state.status)
export const useFromCache = (): boolean => useRoomState((state) => state.fromCache)
export const useTrip = (): Trip | null => useRoomState((state) => state.trip)
export const useMe = (): Me => useRoomState((state) => state.me)
export const useConnection = (): Connection => useRoomState((state) => state.connection)
/** Live, as far as anybody has to be told: a short planned restart counts as live. */
export const useLinked = (): boolean => useRoomState(({ connection }) => connection.state === 'live' || connection.restarting)

export const useCanEdit = (): boolean => useRoomState(canEdit)
/** Whatever the mode: for what cannot be suggested, and for deciding about suggestions. */
export const useIsEditor = (): boolean => useRoomState(isEditor)
/** Edits become suggestions. */
export const useSuggesting = (): boolean => useRoomState((state) => state.draft.on)
export const useIsOwner = (): boolean => useRoomState((state) => state.me.role === 'owner')

/** May change the trip, or suggests changes to it. */
export function canEdit(state: RoomState): boolean {
  return isEditor(state) || (state.me.role === 'viewer' && state.draft.on)
}

/** May change the trip: decides about proposals. */
export function isEditor(state: RoomState): boolean {
  return state.me.role === 'owner' || state.me.role === 'editor'
}

// --- the itinerary --------------------------------------------------------------------------

/** Live days in order: dated ones by date, then the others. */
export const useDays = (): readonly Day[] => useRoomState((state) => state.days)
/** Only changes when days come, go or change places. */
export const useDayIds = (): readonly string[] => useRoomState(useShallow((state) => state.days.map((day) => day.id)))
export const useDay = (id: string): Day | null =>
  useRoomState((state) => state.days.find((day) => day.id === id) ?? null)

/** Ids of the stops of a day in order; null: the ideas. */
export const useStopIds = (dayId: string | null): readonly string[] =>
  useRoomState((state) => state.stopIds.get(dayId ?? IDEAS) ?? NO_IDS)
export const useStop = (id: string): Stop | null => useRoomState((state) => state.stops.get(id) ?? null)
/** All live stops; changes with each of them: for the map and for search. */
export const useStops = (): ReadonlyMap<string, Stop> => useRoomState((state) => state.stops)

/** Whether this record shows own changes that are not confirmed. */
export const usePending = (id: string): boolean => useRoomState((state) => state.pendingIds.has(id))
/** Somebody else changed this record a moment ago. */
export const useGlow = (id: string): Glow | null => useRoomState((state) => state.glow.get(id) ?? null)

// --- people ---------------------------------------------------------------------------------

/** Members now; removed ones are only in `useMember`, to name authors. */
export const useMembers = (): readonly Member[] =>
  useRoomState(useShallow((state) => [...state.members.values()].filter((member) => !member.deleted)))
export const useMember = (id: string | null): Member | null =>
  useRoomState((state) => (id === null ? null : (state.members.get(id) ?? null)))

/** Everybody here, me included, one entry a person. */
export const usePeople = (): readonly PersonGroup[] => useRoomState((state) => state.people)
/** Others who have this record (or this field of it) in hand. */
export const useEditors = (t: RecordType, id: string, field?: string): readonly PersonGroup[] =>
  useRoomState(
    useShallow((state) =>
      state.people.filter((person) => person.tabs.some((tab) => {
        const focus = tab.editing
        // Who writes a comment on a record does not have the record in hand.
        const holds = field === undefined ? focus?.field !== 'comment' : focus?.field === field
        return tab.session !== state.me.session && focus?.t === t && focus.id === id && holds
      })),
    ),
  )
/** Pointers of others, by session. */
export const useCursors = (): ReadonlyMap<string, Pointer> => useRoomState((state) => state.cursors)

// --- trouble and undo -----------------------------------------------------------------------

export const useConflicts = (): readonly Conflict[] => useRoomState((state) => state.conflicts)
/** The notice at one field, if there is one. */
export const useConflict = (t: RecordType, id: string, field: string): Conflict | null =>
  useRoomState((state) => state.conflicts.find((each) => each.record === t && each.recordId === id && each.field === field) ?? null)
export const useFailures = (): readonly Failure[] => useRoomState((state) => state.failures)

export interface UndoHistory {
  canUndo: boolean
  canRedo: boolean
  undo(): boolean
  redo(): boolean
}

export function useHistory(): UndoHistory {
  const { client } = useRoom()
  const { canUndo, canRedo } = useRoomState((state) => state.undo)
  return { canUndo, canRedo, undo: () => client.undo(), redo: () => client.redo() }
}

// --- talk -----------------------------------------------------------------------------------

/** Visitors of a public trip neither see nor hear talk. */
export const useIsMember = (): boolean => useRoomState((state) => state.me.role !== null && state.me.role !== 'spectator')

/** A list of messages; its newest page is asked for when the component comes. */
export function useMessages(key: ListKey): TalkList {
  const client = useRoomClient()
  useEffect(() => void client.talk.open(key), [client, key])
  return useRoomState((state) => state.talk.lists.get(key) ?? NO_LIST)
}
/** The comments on one record, replies included. */
export const useThread = (record: RecordRef): TalkList => useMessages(record)
export const useMessage = (id: string | null): TalkMessage | null =>
  useRoomState((state) => (id === null ? null : (state.talk.messages.get(id) ?? null)))
/** Only changes with the counts of this record. */
export const useThreadTotals = (record: RecordRef): ThreadTotals | null =>
  useRoomState((state) => state.talk.threads.get(record) ?? null)
/** Threads that are not resolved, in the whole trip. */
export const useOpenThreads = (): number =>
  useRoomState((state) => [...state.talk.threads.values()].reduce((sum, each) => sum + each.open, 0))
export const useUnread = (): number => useRoomState((state) => state.talk.unread)
export const useFreshComments = (): boolean => useRoomState((state) => state.talk.freshComments)
/** Up to which seq each member has read. */
export const useReads = (): ReadonlyMap<string, number> => useRoomState((state) => state.talk.reads)
/** Own posts that were refused, in the order of trying. */
export const useFailedPosts = (): readonly Failure[] =>
  useRoomState(useShallow((state) => state.failures.filter((each) => each.op.kind === 'message.post')))
/** Others who type into this field now. */
export const useTypingIn = (t: RecordType, id: string, field: string): readonly PersonGroup[] =>
  useRoomState(
    useShallow((state) => state.people.filter((person) => !person.me && person.tabs.some(
      ({ typing, editing }) => typing === true && editing?.t === t && editing.id === id && editing.field === field,
    ))),
  )

/** An answer as far as it has come: as it grows, then as it was finished. Null: no such answer. */
export function useAnswerText(id: string): AnswerStream | null {
  const stream = useRoomState((state) => state.talk.streams.get(id) ?? null)
  const message = useMessage(id)
  if (message?.answer == null) return stream
  const { status, reasoning } = message.answer
  const underWay = status === 'queued' || status === 'streaming'
  return underWay && stream !== null ? stream : { status, position: 0, text: message.text, reasoning }
}

// --- proposals ------------------------------------------------------------------------------

export const useProposals = (): ProposalsState => useRoomState((state) => state.proposals)
/** A proposal, also one that was decided long ago: it is asked for when it is not known. */
export function useProposal(id: string | null): ShownProposal | null {
  const client = useRoomClient()
  useEffect(() => {
    if (id !== null) client.review.proposals.want(id)
  }, [client, id])
  return useRoomState((state) => (id === null ? null : (state.proposals.byId.get(id) ?? null)))
}
export const useDraft = (): DraftState => useRoomState((state) => state.draft)
