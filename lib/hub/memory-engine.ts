// The engine of topics within one process: positions, history and members in memory. Who is subscribed is not its business.
import { randomUUID } from 'node:crypto'
import type {
  TopicEngine, TopicEngineEvents, TopicHistory, TopicHistorySlice, TopicMember, TopicPosition, TopicRecord
} from '../../types/topics.ts'

/** Histories that are looked at whether they have run out, for each message that is kept. */
const SWEEP = 2

/** How long, in ms, a history of which nothing is left is remembered at least: whoever has missed nothing can be told so. */
const REMEMBER = 60_000

/** Histories that are kept at most; then the one that was begun first goes, of those that have had no message if there are any. */
export const MAX_HISTORIES = 100_000

/** The latest messages of a topic. */
class History {
  readonly epoch: string = randomUUID()
  /** Position of the last message. */
  offset = 0
  /** Those in front of `#first` are gone: to move all others up for each message costs more than the message, where there are thousands. */
  #records: Array<TopicRecord | undefined> = []
  /** One for each record. */
  #times: number[] = []
  #first = 0
  #limits: TopicHistory
  #touchedAt: number

  constructor (limits: TopicHistory, now: number) {
    this.#limits = limits
    this.#touchedAt = now
  }

  /** @param limits - default: as they were */
  add (record: TopicRecord, limits: TopicHistory | undefined, now: number): TopicRecord {
    this.#limits = limits ?? this.#limits
    this.#touchedAt = now
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
    if (position.epoch !== this.epoch || missed < 0 || missed > this.#records.length - this.#first) return undefined
    return missed === 0 ? [] : this.#records.slice(-missed) as TopicRecord[] // behind `#first`
  }

  /** True when nothing is left that anybody might ask for. */
  isOver (now: number): boolean {
    this.#expire(now)
    return this.#records.length === this.#first && now - this.#touchedAt >= Math.max(REMEMBER, this.#limits.ttl ?? 0)
  }

  #expire (now: number): void {
    const { size, ttl = Infinity } = this.#limits
    const { length } = this.#records
    let first = this.#first
    // One time for each record.
    while (first < length && (first < length - size || this.#times[first]! <= now - ttl)) this.#records[first++] = undefined
    this.#first = first
    if (first * 2 < length) return
    this.#records.splice(0, first)
    this.#times.splice(0, first)
    this.#first = 0
  }
}

export class MemoryEngine implements TopicEngine {
  readonly #now: () => number
  readonly #histories = new Map<string, History>()
  /** Topics whose histories have had no message: subscribing alone makes them. */
  readonly #unused = new Set<string>()
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
    const now = this.#now()
    // By name alone it is a message of the same topic: left out, it would be a gap that nobody is told of.
    const history = limits === undefined ? this.#histories.get(topic) : this.#historyOf(topic, limits, now)
    if (history === undefined) {
      this.#events?.deliver(record)
      return undefined
    }
    this.#sweep(now)
    const { position } = history.add(record, limits, now)
    if (history.offset === 1) this.#unused.delete(topic)
    this.#events?.deliver({ ...record, ...(position && { position }) })
    return position
  }

  subscribe (): void {}

  unsubscribe (): void {}

  history (topic: string, since: TopicPosition | undefined, limits: TopicHistory | undefined): TopicHistorySlice {
    const history = limits === undefined ? this.#histories.get(topic) : this.#historyOf(topic, limits, this.#now())
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
    const isNew = !members.has(member.id)
    members.set(member.id, member)
    if (isNew) this.#events?.onJoin(topic, member)
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
    this.#unused.clear()
    this.#members.clear()
    this.#sweeper = undefined
  }

  #historyOf (topic: string, limits: TopicHistory, now: number): History {
    let history = this.#histories.get(topic)
    if (history !== undefined) return history
    this.#sweep(now)
    if (this.#histories.size >= MAX_HISTORIES) this.#forgetFirst()
    history = new History(limits, now)
    this.#histories.set(topic, history)
    this.#unused.add(topic)
    return history
  }

  #forgetFirst (): void {
    for (const topic of this.#unused.size > 0 ? this.#unused : this.#histories.keys()) {
      this.#forget(topic)
      return
    }
  }

  #forget (topic: string): void {
    this.#histories.delete(topic)
    this.#unused.delete(topic)
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
      if (history.isOver(now)) this.#forget(topic)
    }
  }
}
