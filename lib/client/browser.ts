// `fastify-typed-websocket/client` where there is a global WebSocket: browsers, workers and others. The same names as node.ts.
import type { WebSocketContract } from '../contract.ts'
import { checkNative, openNative } from './browser-wire.ts'
import { Client } from './client.ts'
import type { AnyConnectOptions } from './options.ts'
import type { ConnectArguments } from './option-types.ts'
import type { ClientSocket } from './types.ts'

/** What a page or a worker has, and others only in part. */
interface Scope {
  readonly location: { readonly origin: string }
  addEventListener (event: 'online', listener: () => void): void
  removeEventListener (event: 'online', listener: () => void): void
}

export { ClientError, RequestError } from './errors.ts'
export type * from './option-types.ts'
export type * from './types.ts'

/** Connects to a contract's route, and keeps connecting until it is closed. See docs/client.md. */
export function connect<const C extends WebSocketContract> (contract: C, ...args: ConnectArguments<C>): ClientSocket<C> {
  const [options = {}] = args as readonly [AnyConnectOptions?] // what each contract makes of it is in ConnectOptions
  const scope = globalThis as Partial<Scope>
  const client = new Client(contract, options, { origin: scope.location?.origin, check: checkNative, open: openNative })
  const onOnline = (): void => client.onNetwork()
  scope.addEventListener?.('online', onOnline)
  client.closed.then(() => scope.removeEventListener?.('online', onOnline))
  // The core is written without the types of messages; for the application it is the same object with them.
  return client as unknown as ClientSocket<C>
}
