// `fastify-typed-websocket/client` where there is a global WebSocket: browsers, workers and others. The same names as node.ts.
import type { WebSocketContract } from '../contract.ts'
import { checkNative, openNative } from './browser-wire.ts'
import { Client } from './client.ts'
import type { AnyConnectOptions } from './options.ts'
import type { ClientSocket, ConnectArguments } from './types.ts'

export { ClientError, RequestError } from './errors.ts'
export type * from './types.ts'

/** Connects to a contract's route, and keeps connecting until it is closed. See docs/client.md. */
export function connect<const C extends WebSocketContract> (contract: C, ...args: ConnectArguments<C>): ClientSocket<C> {
  const [options = {}] = args as readonly [AnyConnectOptions?] // what each contract makes of it is in ConnectOptions
  const { location } = globalThis as { location?: { readonly origin: string } } // there are none in some
  // The core is written without the types of messages; for the application it is the same object with them.
  return new Client(contract, options, { origin: location?.origin, check: checkNative, open: openNative }) as unknown as ClientSocket<C>
}
