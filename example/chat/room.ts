// One room in memory: who is in it, and what was said last. Knows nothing of HTTP or sockets.
import { randomUUID } from 'node:crypto'
import type { ChatOut, Said } from './messages.ts'

/** How many messages a room remembers. */
export const HISTORY_LENGTH = 100

/** What a room needs of a connection. */
export interface Member {
  send (message: ChatOut): unknown
}

export class Room {
  readonly #nicks = new Map<Member, string>()
  readonly #history: Said[] = []

  /** What was said last, oldest first; at most `HISTORY_LENGTH` messages. */
  get history (): readonly Said[] {
    return this.#history
  }

  /** Lets somebody in, under the wanted name or the same with a number. */
  join (member: Member, wanted: string): void {
    const nick = this.#freeNick(wanted)
    this.#tellAll({ type: 'joined', nick, people: [...this.#nicks.values(), nick] })
    this.#nicks.set(member, nick)
    member.send({ type: 'welcome', nick, people: [...this.#nicks.values()] })
  }

  leave (member: Member): void {
    const nick = this.#nickOf(member)
    this.#nicks.delete(member)
    this.#tellAll({ type: 'left', nick, people: [...this.#nicks.values()] })
  }

  say (member: Member, text: string): void {
    const said: Said = { type: 'said', id: randomUUID(), nick: this.#nickOf(member), text, at: Date.now() }
    this.#history.push(said)
    if (this.#history.length > HISTORY_LENGTH) this.#history.shift()
    this.#tellAll(said)
  }

  /** Tells the others that somebody types, or has stopped. */
  type (member: Member, isTyping: boolean): void {
    const nick = this.#nickOf(member)
    for (const other of this.#nicks.keys()) {
      if (other !== member) other.send({ type: 'typing', nick, isTyping })
    }
  }

  #tellAll (message: ChatOut): void {
    for (const member of this.#nicks.keys()) member.send(message)
  }

  #nickOf (member: Member): string {
    const nick = this.#nicks.get(member)
    if (nick === undefined) throw new Error('not in this room')
    return nick
  }

  #freeNick (wanted: string): string {
    const taken = new Set(this.#nicks.values())
    let nick = wanted
    for (let number = 2; taken.has(nick); number++) nick = `${wanted} ${number}`
    return nick
  }
}
