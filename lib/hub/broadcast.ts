// One message to many connections: checked and serialised once for each kind of route, made a frame once.
import type { MessageCodec } from '../connection/codec.ts'
import type { Connection } from '../connection/connection.ts'
import { SharedMessage } from '../connection/shared-message.ts'

/**
 * Sends a message to all of these that are open; they have the same codec.
 *
 * @returns to how many
 * @throws as `send` of any of them; then it goes to nobody
 */
export function broadcastAlike (connections: Iterable<Connection>, message: unknown): number {
  let shared: SharedMessage | undefined
  let receivers = 0
  for (const connection of connections) {
    if (connection.readyState !== connection.OPEN) continue
    shared ??= new SharedMessage(connection.encode(message))
    connection.sendShared(shared)
    receivers++
  }
  return receivers
}

/**
 * Sends a message to all of these that are open and meant.
 *
 * @returns to how many
 * @throws as `send` of any of them; then it goes to nobody
 */
export function broadcast (connections: Iterable<Connection>, message: unknown, isMeant: (connection: Connection) => unknown): number {
  const shared = new Map<MessageCodec | undefined, SharedMessage>()
  const receivers: Connection[] = []
  for (const connection of connections) {
    if (connection.readyState !== connection.OPEN || isMeant(connection) !== true) continue
    const { codec } = connection
    if (!shared.has(codec)) shared.set(codec, new SharedMessage(connection.encode(message)))
    receivers.push(connection)
  }
  // There is one for each: the loop above has made it.
  for (const connection of receivers) connection.sendShared(shared.get(connection.codec)!)
  return receivers.length
}
