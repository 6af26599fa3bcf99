// The engine of topics within one process: positions, history and members in memory. Who is subscribed is not its business.
import { randomUUID } from 'node:crypto'
import type {
  TopicEngine, TopicEngineEvents, TopicHistory, TopicHistorySlice, TopicMember, TopicPosition, TopicRecord
} from '../../types/topics.ts'

/** Histories that are looked at whether they have run out, for each message that is kept. */
const SWEEP = 2

/** The latest messages of a topic. */
class History {
  readonly epoch: string = randomUUID()
  /** Position of the last message. */
  offset = 0
  #records: TopicRecord[] = []
  #times: number[] = []
  #limits: TopicHistory

  constructor (limits: TopicHistory) {
    this.#limits = limits
  }

  add (record: TopicRecord, limits: TopicHistory, now: number): TopicRecord {
    this.#limits = limits
    const kept = { ...record, position: { epoch: this.epoch, offset: ++this.offset } }
    // Whoever publishes, and whom it is for, is of this moment.
    delete kept.local
    this.#records.push(kept)
    this.#times.push(now)
    this.#expire(now)
    return kept
  }

  since (position: TopicPosition, now: number): readonly TopicRecord[] | undefined {
    this.#expire(now)
    const missed = this.offset - position.offset
    if (position.epoch !== this.epoch || missed < 0 || missed > this.#records.length) return undefined
    return missed === 0 ? [] : this.#records.slice(-missed)
  }

  isEmpty (now: number): boolean {
    this.#expire(now)
    return this.#records.length === 0
  }

  #expire (now: number): void {
    const { size, ttl = Infinity } = this.#limits
    let gone = Math.max(0, this.#records.length - size)
    // One time for each record.
    while (gone < this.#times.length && this.#times[gone]! <= now - ttl) gone++
    if (gone === 0) return
    this.#records.splice(0, gone)
    this.#times.splice(0, gone)
  }
}

export class MemoryEngine implements TopicEngine {
  readonly #now: () => number
  readonly #histories = new Map<string, History>()
  readonly #members = new Map<string, Map<string, TopicMember>>()
  #sweeper: Iterator<[string, History]> | undefined
  #events: TopicEngineEvents | undefined

  /** @param now - the clock, in ms */
  constructor (now: () => number = () => performance.now()) {
    this.#now = now
  }

  start (events: TopicEngineEvents): void {
    this.#events = events
  }

  publish (record: TopicRecord): TopicPosition | undefined {
    const { topic, history: limits } = record
    if (limits === undefined) {
      this.#events?.deliver(record)
      return undefined
    }
    const now = this.#now()
    this.#sweep(now)
    let history = this.#histories.get(topic)
    if (history === undefined) {
      history = new History(limits)
      this.#histories.set(topic, history)
    }
    const { position } = history.add(record, limits, now)
    this.#events?.deliver({ ...record, ...(position && { position }) })
    return position
  }

  subscribe (): void {}

  unsubscribe (): void {}

  history (topic: string, since?: TopicPosition): TopicHistorySlice {
    const history = this.#histories.get(topic)
    if (history === undefined) return { recovered: false, messages: [] }
    const position = { epoch: history.epoch, offset: history.offset }
    const messages = since && history.since(since, this.#now())
    return { position, recovered: messages !== undefined, messages: messages ?? [] }
  }

  join (topic: string, member: TopicMember): void {
    let members = this.#members.get(topic)
    if (members === undefined) {
      members = new Map()
      this.#members.set(topic, members)
    }
    members.set(member.id, member)
    this.#events?.onJoin(topic, member)
  }

  leave (topic: string, memberId: string): void {
    const members = this.#members.get(topic)
    const member = members?.get(memberId)
    if (members === undefined || member === undefined) return
    members.delete(memberId)
    if (members.size === 0) this.#members.delete(topic)
    this.#events?.onLeave(topic, member)
  }

  presence (topic: string): readonly TopicMember[] {
    return [...this.#members.get(topic)?.values() ?? []]
  }

  close (): void {
    this.#histories.clear()
    this.#members.clear()
    this.#sweeper = undefined
  }

  /** Lets go of a few histories of which nothing is left, so that topics that come and go leave nothing behind. */
  #sweep (now: number): void {
    for (let i = 0; i < SWEEP; i++) {
      this.#sweeper ??= this.#histories.entries()
      const { done, value } = this.#sweeper.next()
      if (done === true) {
        this.#sweeper = undefined
        return
      }
      const [topic, history] = value
      if (history.isEmpty(now)) this.#histories.delete(topic)
    }
  }
}
