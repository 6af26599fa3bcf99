// Who is at a topic, as its watchers know it: subscribers that were told the list, and are told who comes and goes from then on. Owns that
// each change reaches each of them once and in order, whether the engine's events or its answer come first; sends nothing itself.
import type { Connection } from '../connection/connection.ts'
import type { TopicMember } from '../../types/topics.ts'

export type MemberChange = 'join' | 'leave'

/** Changes that may come while an answer is awaited. */
export const MAX_CHANGES = 10_000

/** What has been told since the engine was asked who is there. */
class Question {
  readonly #joined = new Map<string, TopicMember>()
  readonly #left = new Set<string>()

  get #isFull (): boolean {
    return this.#joined.size + this.#left.size > MAX_CHANGES
  }

  note (change: MemberChange, member: TopicMember): void {
    const { id } = member
    if (this.#isFull) return
    if (change === 'join') {
      this.#joined.set(id, member)
      return
    }
    this.#joined.delete(id)
    this.#left.add(id)
  }

  /** Puts the answer and what was told together, which may be from before or after it. */
  complete (answer: readonly TopicMember[]): Map<string, TopicMember> {
    if (this.#isFull) throw new Error('more members than may wait have come and gone while they were looked up')
    const members = new Map(answer.map((member) => [member.id, member]))
    for (const id of this.#left) members.delete(id)
    // Of who is in the answer it has the latest data.
    for (const [id, member] of this.#joined) if (!members.has(id)) members.set(id, member)
    return members
  }
}

/** Sends a change to watchers. */
export type TellWatchers = (watchers: ReadonlySet<Connection>, change: MemberChange, member: TopicMember) => void

export class MemberView {
  readonly #tell: TellWatchers
  readonly #watchers = new Set<Connection>()
  /** Those whom all watchers know of. */
  #known = new Map<string, TopicMember>()
  /** By who asks; those that have no answer yet. */
  readonly #questions = new Map<Connection, Question>()

  constructor (tell: TellWatchers) {
    this.#tell = tell
  }

  /** True when nobody wants to know. */
  get isIdle (): boolean {
    return this.#watchers.size === 0 && this.#questions.size === 0
  }

  /** To be called right before the engine is asked who is there, for a subscriber. `answer` follows, or `remove`. */
  ask (connection: Connection): void {
    this.#questions.set(connection, new Question())
  }

  /**
   * Takes the engine's answer. Whoever has asked is a watcher from now on. The others are told what is in the answer and they have not heard
   * yet; the event that comes later is no news then.
   *
   * @returns who is there
   * @throws where more has changed meanwhile than may wait
   */
  answer (connection: Connection, answer: readonly TopicMember[]): TopicMember[] {
    const members = (this.#questions.get(connection) ?? new Question()).complete(answer)
    this.#questions.delete(connection)
    if (this.#watchers.size > 0) {
      for (const member of members.values()) if (!this.#known.has(member.id)) this.#tell(this.#watchers, 'join', member)
      for (const member of this.#known.values()) if (!members.has(member.id)) this.#tell(this.#watchers, 'leave', member)
    }
    this.#known = members
    this.#watchers.add(connection)
    return [...members.values()]
  }

  /** Takes an event of the engine. */
  note (change: MemberChange, member: TopicMember): void {
    for (const question of this.#questions.values()) question.note(change, member)
    // Without watchers nobody knows of anybody.
    if (this.#watchers.size === 0 || this.#known.has(member.id) === (change === 'join')) return
    if (change === 'join') this.#known.set(member.id, member)
    else this.#known.delete(member.id)
    this.#tell(this.#watchers, change, member)
  }

  /** Lets go of a subscriber, whether it watches, has asked, or neither. */
  remove (connection: Connection): void {
    this.#questions.delete(connection)
    if (this.#watchers.delete(connection) && this.#watchers.size === 0) this.#known.clear()
  }
}
