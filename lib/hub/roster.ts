// Who is subscribed to what, by topic and by connection. Owns these two indexes and what a pattern stands for; what a subscriber gets is
// its own business.
import type { Connection } from '../connection/connection.ts'
import type { Subscriber } from './subscriber.ts'

export class Roster {
  /** By topic or pattern. */
  readonly #byName = new Map<string, Map<Connection, Subscriber>>()
  readonly #byConnection = new Map<Connection, Map<string, Subscriber>>()
  #patterns = 0

  find (connection: Connection, name: string): Subscriber | undefined {
    return this.#byConnection.get(connection)?.get(name)
  }

  /** Those of a topic, or of a pattern as such. */
  at (name: string): ReadonlyMap<Connection, Subscriber> | undefined {
    return this.#byName.get(name)
  }

  /** Those of the pattern that a topic is one of. */
  atPatternOf (topic: string): ReadonlyMap<Connection, Subscriber> | undefined {
    return this.#patterns === 0 ? undefined : this.#byName.get(patternOf(topic))
  }

  /** That of a connection at the pattern that a topic is one of. */
  findPatternOf (connection: Connection, topic: string): Subscriber | undefined {
    return this.#patterns === 0 ? undefined : this.find(connection, patternOf(topic))
  }

  /** All that a connection is subscribed to; a copy. */
  of (connection: Connection): Subscriber[] {
    return [...this.#byConnection.get(connection)?.values() ?? []]
  }

  countOf (connection: Connection): number {
    return this.#byConnection.get(connection)?.size ?? 0
  }

  /** Takes in a subscriber; its connection has none of that name. */
  add (subscriber: Subscriber): void {
    const { connection, name } = subscriber
    const own = this.#byConnection.get(connection)
    if (own === undefined) this.#byConnection.set(connection, new Map([[name, subscriber]]))
    else own.set(name, subscriber)
    const others = this.#byName.get(name)
    if (others !== undefined) {
      others.set(connection, subscriber)
      return
    }
    this.#byName.set(name, new Map([[connection, subscriber]]))
    if (isPattern(name)) this.#patterns++
  }

  remove ({ connection, name }: Subscriber): void {
    const own = this.#byConnection.get(connection)
    own?.delete(name)
    if (own?.size === 0) this.#byConnection.delete(connection)
    const others = this.#byName.get(name)
    others?.delete(connection)
    if (others?.size !== 0) return
    this.#byName.delete(name)
    if (isPattern(name)) this.#patterns--
  }

  /** Forgets all. @returns who was there */
  clear (): Subscriber[] {
    const all = [...this.#byConnection.values()].flatMap((own) => [...own.values()])
    this.#byName.clear()
    this.#byConnection.clear()
    this.#patterns = 0
    return all
  }
}

/** True for what stands for many topics. */
export function isPattern (name: string): boolean {
  return name.endsWith('*')
}

/** The only pattern that a topic can be one of: `room/*` of `room/a`. */
export function patternOf (topic: string): string {
  return `${topic.slice(0, topic.lastIndexOf('/') + 1)}*`
}
