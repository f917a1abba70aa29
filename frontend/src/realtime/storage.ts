/**
 * What a room leaves on the device: the last confirmed state, and operations not yet confirmed.
 *
 * IndexedDB, one database for all rooms and users, keyed by room and user so that nobody is shown
 * or sends what belongs to another account. Each page owns the operations it made; a page that has
 * gone leaves orphans, which one living page takes over (pages.ts tells who lives). Storage
 * that fails or is forbidden costs only the offline copy: every call here resolves.
 */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import { type AccessRole, type Snapshot, VERSION } from '../protocol.gen'
import { clearDrafts } from './draftStorage'
import type { Pending } from './outbox'
import type { Life } from './pages'
import { clearUnsent } from './unsent'

const DATABASE = 'tongyou'
/** Raised when the layout below changes; older copies are thrown away with their rooms' caches. */
const LAYOUT = 1

export interface CachedRoom {
  epoch: string
  seq: number
  role: AccessRole | null
  color: number
  snapshot: Snapshot
}

export interface RoomStorage {
  /** The cached state, and the operations that no living page takes care of, oldest first. */
  load(): Promise<{ cached: CachedRoom | null; pending: Pending[] }>
  /** Operations of pages that have gone since. */
  adoptOrphans(): Promise<Pending[]>
  saveRoom(room: CachedRoom): Promise<void>
  savePending(pending: Pending): Promise<void>
  removePending(opId: string): Promise<void>
  /** This account may not see the room any more: forget the copy. */
  forgetRoom(): Promise<void>
  close(): void
}

interface StoredPending extends Pending {
  room: string
  owner: string
}

interface Schema extends DBSchema {
  rooms: { key: string; value: CachedRoom & { room: string; protocol: number } }
  pending: { key: string; value: StoredPending; indexes: { room: string } }
}

export interface StorageOptions {
  tripId: string
  userId: string | null
  /** Names this page's share of the queue. */
  owner: string
  /** Tells which pages are still there. */
  life: Life
}

export class IndexedDbStorage implements RoomStorage {
  private readonly room: string
  private readonly db: Promise<IDBPDatabase<Schema> | null>
  private readonly life: Life
  /** Writes go one after the other, so that a removal never overtakes its own save. */
  private tail: Promise<unknown> = Promise.resolve()

  constructor(private readonly options: StorageOptions) {
    this.room = `${options.userId ?? '-'}|${options.tripId}`
    this.life = options.life
    this.db = openDatabase().catch(() => null)
    this.life.begin(options.owner)
  }

  async load(): Promise<{ cached: CachedRoom | null; pending: Pending[] }> {
    const cached = await this.attempt(async (db) => {
      const found = await db.get('rooms', this.room)
      return found !== undefined && found.protocol === VERSION ? found : null
    })
    return { cached: cached ?? null, pending: await this.adoptOrphans() }
  }

  async adoptOrphans(): Promise<Pending[]> {
    const all = (await this.attempt((db) => db.getAllFromIndex('pending', 'room', this.room))) ?? []
    const owners = new Set(all.map((each) => each.owner).filter((owner) => owner !== this.options.owner))
    const adopted: Pending[] = []
    for (const owner of owners) {
      await this.life.whenGone(owner, async () => {
        for (const each of await this.takeOver(owner)) adopted.push(each)
      })
    }
    return adopted.sort((a, b) => a.createdAt - b.createdAt)
  }

  async saveRoom(room: CachedRoom): Promise<void> {
    await this.write((db) => db.put('rooms', { ...room, room: this.room, protocol: VERSION }))
  }

  async savePending({ opId, op, base, createdAt, sent }: Pending): Promise<void> {
    const row = { opId, op, base, createdAt, sent, room: this.room, owner: this.options.owner }
    await this.write((db) => db.put('pending', row))
  }

  async removePending(opId: string): Promise<void> {
    await this.write((db) => db.delete('pending', opId))
  }

  async forgetRoom(): Promise<void> {
    await this.write((db) => db.delete('rooms', this.room))
  }

  close(): void {
    this.life.end()
    void this.tail.then(async () => (await this.db)?.close())
  }

  // --- pieces -------------------------------------------------------------------------------

  /** Make another page's operations ours; what it removed meanwhile is not brought back. */
  private async takeOver(owner: string): Promise<Pending[]> {
    const taken = await this.attempt(async (db) => {
      const transaction = db.transaction('pending', 'readwrite')
      const rows = await transaction.store.index('room').getAll(this.room)
      const mine = rows.filter((row) => row.owner === owner)
      for (const row of mine) await transaction.store.put({ ...row, owner: this.options.owner })
      await transaction.done
      return mine
    })
    return (taken ?? []).map(({ opId, op, base, createdAt, sent }) => ({ opId, op, base, createdAt, sent }))
  }

  private async attempt<T>(act: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T | undefined> {
    try {
      const db = await this.db
      return db === null ? undefined : await act(db)
    } catch {
      return undefined
    }
  }

  private write(act: (db: IDBPDatabase<Schema>) => Promise<unknown>): Promise<unknown> {
    this.tail = this.tail.then(() => this.attempt(act))
    return this.tail
  }
}

/** Async, so that a browser that throws at once is a rejection like any other. */
async function openDatabase(): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>(DATABASE, LAYOUT, {
    upgrade(db) {
      db.createObjectStore('rooms', { keyPath: 'room' })
      db.createObjectStore('pending', { keyPath: 'opId' }).createIndex('room', 'room')
    },
    // A newer version of the app in another tab wants to change the layout: let it.
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
  })
}

/** Forget everything of every account on this device: for signing out. */
export async function clearDevice(): Promise<void> {
  clearDrafts()
  clearUnsent()
  try {
    const db = await openDatabase()
    await Promise.all([db.clear('rooms'), db.clear('pending')])
    db.close()
  } catch {
    // Nothing could be kept, so there is nothing to clear.
  }
}

/** Keeps nothing: for previews and for devices without storage. */
export const noStorage: RoomStorage = {
  load: async () => ({ cached: null, pending: [] }),
  adoptOrphans: async () => [],
  saveRoom: async () => undefined,
  savePending: async () => undefined,
  removePending: async () => undefined,
  forgetRoom: async () => undefined,
  close: () => undefined,
}
