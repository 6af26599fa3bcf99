// `fastify-typed-websocket/client` in Node: the engine of this package in the client role. The same names as browser.ts.
import type { WebSocketContract } from '../contract.ts'
import { Client } from './client.ts'
import { checkNode, isRefusal, openNode } from './node-wire.ts'
import type { AnyConnectOptions } from './options.ts'
import type { ConnectArguments } from './option-types.ts'
import type { ClientSocket } from './types.ts'

export { ClientError, RequestError } from './errors.ts'
export type * from './option-types.ts'
export type * from './types.ts'

/** Connects to a contract's route, and keeps connecting until it is closed. See docs/client.md. */
export function connect<const C extends WebSocketContract> (contract: C, ...args: ConnectArguments<C>): ClientSocket<C> {
  const [options = {}] = args as readonly [AnyConnectOptions?] // what each contract makes of it is in ConnectOptions
  // The core is written without the types of messages; for the application it is the same object with them.
  return new Client(contract, options, { origin: undefined, check: checkNode, isRefusal, open: openNode }) as unknown as ClientSocket<C>
}
