/**
 * The trip as confirmed by the server, and as the user sees it: confirmed plus own predictions.
 *
 * Predictions are layers over single records, so a confirmed change re-makes only the records that
 * it touches. `collect()` hands out what changed since, with unchanged values keeping their identity.
 */
import type { Change, Day, Member, RoomEvent, Snapshot, Stop, Trip } from '../protocol.gen'
import { DRAFT_LAYER } from './draft'
import { byPlace } from './positions'
import { byDate, type View } from './predict'
import { type AnyRecord, applyChange, blank, keyOf, type RecordKey } from './records'
import { IDEAS, NO_IDS, type RoomState } from './state'

interface Layer {
  opId: string
  change: Change
}

export type DocumentState = Pick<RoomState, 'trip' | 'days' | 'stops' | 'stopIds' | 'members' | 'pendingIds'>

export class TripDocument implements View {
  private tripId = ''
  private confirmed = new Map<RecordKey, AnyRecord>()
  private visible = new Map<RecordKey, AnyRecord>()
  private layers = new Map<RecordKey, Layer[]>()
  private touchedBy = new Map<string, RecordKey[]>()
  private lists = new Map<string, Set<string>>()
  private sorted = new Map<string, readonly string[]>()
  private sortedDays: readonly Day[] | null = null
  private dirty = new Set<RecordKey>()
  private out: DocumentState = {
    trip: null, days: [], stops: new Map(), stopIds: new Map(), members: new Map(), pendingIds: new Set(),
  }
  private layersChanged = false

  // --- confirmed state ----------------------------------------------------------------------

  /** Replace everything confirmed; predictions stay and are to be made again by the caller. */
  reset(snapshot: Snapshot): void {
    const before = this.confirmed
    this.tripId = snapshot.trip.id
    this.confirmed = new Map()
    this.confirmed.set(keyOf('trip', snapshot.trip.id), snapshot.trip)
    for (const day of snapshot.days) this.confirmed.set(keyOf('day', day.id), day)
    for (const stop of snapshot.stops) this.confirmed.set(keyOf('stop', stop.id), stop)
    for (const member of snapshot.members) this.confirmed.set(keyOf('member', member.id), member)
    for (const key of new Set([...before.keys(), ...this.confirmed.keys()])) this.refresh(key)
  }

  applyEvent(event: RoomEvent): void {
    for (const change of event.changes) {
      const key = keyOf(change.t, change.id)
      let record = this.confirmed.get(key) ?? null
      // Snapshots leave removed records out: one that turns up without `new` was removed before.
      if (record === null && !change.new) record = { ...blank(change.t, change.id), deleted: true } as AnyRecord
      this.confirmed.set(key, applyChange(record, change) as AnyRecord)
      if (change.t === 'trip') this.tripId = change.id
      this.refresh(key)
    }
  }

  /** The live confirmed records: what is kept on the device. */
  snapshot(): Snapshot | null {
    const trip = this.confirmed.get(keyOf('trip', this.tripId)) as Trip | undefined
    if (trip === undefined) return null
    const snapshot: Snapshot = { trip, days: [], stops: [], members: [] }
    for (const [key, record] of this.confirmed) {
      if (key.startsWith('member:')) snapshot.members.push(record as Member)
      else if (record.deleted) continue
      else if (key.startsWith('day:')) snapshot.days.push(record as Day)
      else if (key.startsWith('stop:')) snapshot.stops.push(record as Stop)
    }
    return snapshot
  }

  // --- predictions --------------------------------------------------------------------------

  /** Show `changes` over the confirmed state, above earlier layers. Replaces those of `opId`. */
  addLayer(opId: string, changes: readonly Change[]): void {
    this.removeLayer(opId)
    this.layersChanged = true
    this.touchedBy.set(opId, changes.map((change) => keyOf(change.t, change.id)))
    for (const change of changes) {
      const key = keyOf(change.t, change.id)
      const layers = this.layers.get(key)
      if (layers === undefined) this.layers.set(key, [{ opId, change }])
      else layers.push({ opId, change })
      this.refresh(key)
    }
  }

  removeLayer(opId: string): void {
    const keys = this.touchedBy.get(opId)
    if (keys === undefined) return
    this.layersChanged = true
    this.touchedBy.delete(opId)
    for (const key of keys) {
      const kept = (this.layers.get(key) ?? []).filter((layer) => layer.opId !== opId)
      if (kept.length > 0) this.layers.set(key, kept)
      else this.layers.delete(key)
      this.refresh(key)
    }
  }

  // --- what the user sees -------------------------------------------------------------------

  trip(): Trip | null {
    return (this.visible.get(keyOf('trip', this.tripId)) as Trip | undefined) ?? null
  }

  day(id: string): Day | null {
    return (this.visible.get(keyOf('day', id)) as Day | undefined) ?? null
  }

  stop(id: string): Stop | null {
    return (this.visible.get(keyOf('stop', id)) as Stop | undefined) ?? null
  }

  member(id: string): Member | null {
    return (this.visible.get(keyOf('member', id)) as Member | undefined) ?? null
  }

  record(key: RecordKey): AnyRecord | null {
    return this.visible.get(key) ?? null
  }

  /** Without predictions; removed ones are there unless a snapshot left them out. */
  confirmedRecord(key: RecordKey): AnyRecord | null {
    return this.confirmed.get(key) ?? null
  }

  days(): readonly Day[] {
    if (this.sortedDays === null) {
      const days: Day[] = []
      for (const [key, record] of this.visible) {
        if (key.startsWith('day:') && !record.deleted) days.push(record as Day)
      }
      this.sortedDays = days.sort(byDate)
    }
    return this.sortedDays
  }

  stopIds(dayId: string | null): readonly string[] {
    const list = dayId ?? IDEAS
    let ids = this.sorted.get(list)
    if (ids === undefined) {
      const stops = [...(this.lists.get(list) ?? [])].map((id) => this.stop(id) as Stop)
      ids = stops.sort(byPlace).map((stop) => stop.id)
      this.sorted.set(list, ids)
    }
    return ids
  }

  /** What changed since the last call; empty when nothing did. */
  collect(): Partial<DocumentState> {
    const update: Partial<DocumentState> = {}
    if (this.dirty.size > 0) this.collectRecords(update)
    if (this.layersChanged) {
      this.layersChanged = false
      // What is only drafted does not wait for the server.
      const waiting = [...this.layers].filter(([, layers]) => layers.some((layer) => !layer.opId.startsWith(DRAFT_LAYER)))
      const ids = waiting.map(([key]) => key.slice(key.indexOf(':') + 1))
      update.pendingIds = new Set(ids)
    }
    Object.assign(this.out, update)
    return update
  }

  private collectRecords(update: Partial<DocumentState>): void {
    let stops: Map<string, Stop> | null = null
    let members: Map<string, Member> | null = null
    for (const key of this.dirty) {
      const record = this.visible.get(key) ?? null
      const id = key.slice(key.indexOf(':') + 1)
      if (key.startsWith('stop:')) {
        stops ??= new Map(this.out.stops)
        if (record === null || record.deleted) stops.delete(id)
        else stops.set(id, record as Stop)
      } else if (key.startsWith('member:')) {
        members ??= new Map(this.out.members)
        if (record === null) members.delete(id)
        else members.set(id, record as Member)
      }
    }
    this.dirty.clear()
    if (stops !== null) {
      update.stops = stops
      const lists = this.collectLists()
      if (lists !== null) update.stopIds = lists
    }
    if (members !== null) update.members = members
    if (this.trip() !== this.out.trip) update.trip = this.trip()
    if (!sameItems(this.days(), this.out.days)) update.days = this.days()
  }

  private collectLists(): Map<string, readonly string[]> | null {
    let changed: Map<string, readonly string[]> | null = null
    for (const list of new Set([...this.lists.keys(), ...this.out.stopIds.keys()])) {
      const before = this.out.stopIds.get(list) ?? NO_IDS
      const ids = this.stopIds(list === IDEAS ? null : list)
      if (ids === before || sameItems(ids, before)) continue
      changed ??= new Map(this.out.stopIds)
      if (ids.length > 0) changed.set(list, ids)
      else changed.delete(list)
    }
    return changed
  }

  /** Make a visible record again from the confirmed one and its layers. */
  private refresh(key: RecordKey): void {
    const before = this.visible.get(key) ?? null
    let record = this.confirmed.get(key) ?? null
    for (const layer of this.layers.get(key) ?? []) record = applyChange(record, layer.change) ?? record
    if (record === before) return
    if (record === null) this.visible.delete(key)
    else this.visible.set(key, record)
    this.dirty.add(key)
    if (key.startsWith('day:')) this.sortedDays = null
    else if (key.startsWith('stop:')) this.relist(before as Stop | null, record as Stop | null)
  }

  private relist(before: Stop | null, after: Stop | null): void {
    const from = before === null || before.deleted ? null : (before.day_id ?? IDEAS)
    const to = after === null || after.deleted ? null : (after.day_id ?? IDEAS)
    if (from === to && before?.pos === after?.pos) return
    if (from !== null) {
      this.lists.get(from)?.delete((before as Stop).id)
      this.sorted.delete(from)
    }
    if (to !== null) {
      const list = this.lists.get(to)
      if (list === undefined) this.lists.set(to, new Set([(after as Stop).id]))
      else list.add((after as Stop).id)
      this.sorted.delete(to)
    }
  }
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n])
}
