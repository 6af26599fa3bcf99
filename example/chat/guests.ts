// Who is in which room: a name belongs to one visitor at a time, in each room. Knows neither topics nor messages.
import type { AnyWebSocketConnection } from '../../lib/index.ts' // in your project: from 'fastify-typed-websocket'

export interface Guest {
  readonly nick: string
  /** A secret of the page's: who comes back with it, from a reload or a lost connection, takes over from the connection that was left. */
  readonly visitor?: string
  readonly connection: AnyWebSocketConnection
}

/** Told to the client as an error of the subscription. */
export class NameTaken extends Error {
  readonly code = 'NAME_TAKEN'
  readonly statusCode = 409
}

export class Guests {
  /** By room and name, as it is compared. */
  readonly #guests = new Map<string, Guest>()

  /** @throws {NameTaken} */
  enter (room: string, guest: Guest): void {
    const { nick, visitor, connection } = guest
    const key = keyOf(room, nick)
    const other = this.#guests.get(key)
    if (other?.connection === connection) return
    if (other !== undefined && (visitor === undefined || visitor !== other.visitor)) throw new NameTaken(`${other.nick} is here already: choose another name`)
    this.#guests.set(key, guest)
    connection.on('close', () => { if (this.isIn(room, guest)) this.#guests.delete(key) })
    // 1008: the client is not to come back by itself, or two windows would drive each other out for ever.
    other?.connection.close(1008, 'you have come in from another window')
  }

  isIn (room: string, { nick, connection }: Guest): boolean {
    return this.#guests.get(keyOf(room, nick))?.connection === connection
  }
}

/** Ann and ann are the same to those who read it; a name has no slash. */
function keyOf (room: string, nick: string): string {
  return `${room}/${nick.normalize('NFKC').toLowerCase()}`
}
