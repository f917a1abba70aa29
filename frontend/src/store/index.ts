export * from './hooks'
export { openRoom, type Room, type RoomOptions, type RoomStore } from './room'
export { newId } from '../realtime/ids'
export { clearDevice } from '../realtime/storage'
export { IDEAS } from '../realtime/state'
export type {
  AnswerStream, ListKey, RecordRef, TalkList, TalkMessage, TalkState, ThreadTotals,
} from '../realtime/state'
export type {
  Conflict, Connection, ConnectionState, Failure, Glow, Me, PersonGroup, RoomState, UndoState,
} from '../realtime/state'
export type { DraftPiece, DraftState } from '../realtime/draft'
export type { ProposalsState, ShownPiece, ShownProposal } from '../realtime/proposals'
export type { Outcome } from '../realtime/review'
