/**
 * What components read of the room they are in. Each hook re-renders its component only when the
 * value that it returns has changed.
 *
 * `<RoomContext.Provider value={room}>` above, `openRoom` (room.ts) to make one.
 */
import { createContext, useContext } from 'react'
import { useStore } from 'zustand'
import { useShallow } from 'zustand/react/shallow'
import type { Day, Member, Pointer, RecordType, Stop, Trip } from '../protocol.gen'
import type { RoomClient } from '../realtime/roomClient'
import {
  type Conflict, type Connection, type Failure, type Glow, IDEAS, type Me, NO_IDS, type PersonGroup, type RoomState,
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

export const useCanEdit = (): boolean => useRoomState(canEdit)
export const useIsOwner = (): boolean => useRoomState((state) => state.me.role === 'owner')

export function canEdit(state: RoomState): boolean {
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
        return tab.session !== state.me.session && focus?.t === t && focus.id === id && (field === undefined || focus.field === field)
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
