export { Api, api } from './client'
export { ApiError } from './errors'
export type * from './types'
