// The order of what an engine delivers, topic by topic: each message once and none left out, by the offsets of topics with history. What is
// repeated is dropped, what is missing is fetched from history; where it is not there, that is told. Owns no subscription.
import type { TopicHistorySlice, TopicPosition, TopicRecord } from '../../types/topics.ts'
import { follows, isUpTo } from './position.ts'
import { isPattern, patternOf } from './roster.ts'
import { MAX_BACKLOG, MAX_BACKLOG_SIZE } from './subscriber.ts'

/** While no more topics than that have a place, those too have one that only a pattern is for; any other is handed out as it comes. */
export const MAX_BY_PATTERN = 10_000

/** What sequences need to be told, and tell. */
export interface SequencesOwner {
  /** Whether anybody of this process is subscribed to a topic: by name, or by a pattern. */
  isWanted (topic: string): 'name' | 'pattern' | undefined
  /** Where the one of those subscribed to a topic is who is furthest behind a position, of that epoch: everything from there on is for them. */
  standsAt (topic: string, position: TopicPosition): TopicPosition | undefined
  lookUp (topic: string, since: TopicPosition): TopicHistorySlice | Promise<TopicHistorySlice>
  /** The next message. */
  hand (record: TopicRecord): void
  /** Messages up to a position will not come; it is not there where the topic has no history any more. */
  onLost (topic: string, position: TopicPosition | undefined): void
  onError (reason: unknown): void
}

/** Where a topic is. */
interface Place {
  /** Of the last message that was handed out. */
  last: TopicPosition
  /** All messages behind it were handed out, up to the last. */
  first: TopicPosition
  /** While history is looked up for what is missing: what has come meanwhile. */
  waiting: TopicRecord[] | undefined
  waitingSize: number
  /** More may be missing than what is before those that wait. */
  isUncertain: boolean
}

export class Sequences {
  readonly #owner: SequencesOwner
  readonly #places = new Map<string, Place>()
  /** Topics that have a place by a pattern alone, or had when it was noted: so that the end of one need not look at all. */
  readonly #byPattern = new Map<string, Set<string>>()

  constructor (owner: SequencesOwner) {
    this.#owner = owner
  }

  /** Takes what the engine delivers. */
  take (record: TopicRecord): void {
    const { topic, position } = record
    if (position === undefined) return this.#owner.hand(record)
    const place = this.#places.get(topic) ?? this.#begin(topic, this.#owner.standsAt(topic, position) ?? { epoch: position.epoch, offset: position.offset - 1 })
    if (place === undefined) {
      this.#owner.hand(record)
    } else if (place.waiting !== undefined) {
      wait(place, record)
    } else if (follows(place.last, position)) {
      place.last = position
      this.#owner.hand(record)
    } else {
      this.#takeOdd(place, record, position)
    }
  }

  /** Position of the last message that was handed out, if the topic has a place. */
  lastOf (topic: string): TopicPosition | undefined {
    return this.#places.get(topic)?.last
  }

  /** True when all that is behind a position was handed out, or will be. */
  goesOnFrom (topic: string, position: TopicPosition): boolean {
    const first = this.#places.get(topic)?.first
    // Of another epoch: either that is over, and of the next one all was handed out from the start on, or that one is still to come.
    return first === undefined || first.epoch !== position.epoch || first.offset <= position.offset
  }

  /** True when all up to a position was handed out. */
  hasCome (topic: string, position: TopicPosition): boolean {
    const last = this.lastOf(topic)
    return last !== undefined && isUpTo(last, position)
  }

  /** Where a topic is or, if that is not as far, where history says that it is. */
  lowest (topic: string, position: TopicPosition | undefined): TopicPosition | undefined {
    const last = this.lastOf(topic)
    if (last === undefined || position === undefined) return position
    return isUpTo(last, position) ? position : last
  }

  /** A topic stands there, as history says, and somebody subscribes by name. What subscribers by a pattern have yet to get is not known. */
  beginAt (topic: string, position: TopicPosition): void {
    if (!this.#places.has(topic)) this.#begin(topic, position)
  }

  /** Nobody is subscribed to a topic by its name, or to a pattern, any more: forgets places for which that was all. */
  forget (name: string): void {
    const topics = isPattern(name) ? this.#byPattern.get(name) ?? [] : [name]
    this.#byPattern.delete(name)
    for (const topic of topics) {
      const by = this.#owner.isWanted(topic)
      if (by === undefined) this.#places.delete(topic)
      else if (by === 'pattern') this.#leaveToPattern(topic)
    }
  }

  /** The engine may have left out the latest of any topic: all are looked up, one after the other. */
  async lookUpAll (): Promise<void> {
    // Those of now: one that begins meanwhile has nothing missing.
    const all = [...this.#places]
    for (const [topic, place] of all) {
      place.isUncertain = true
      if (place.waiting === undefined && this.#places.get(topic) === place) await this.#mend(topic, place)
    }
  }

  clear (): void {
    this.#places.clear()
    this.#byPattern.clear()
  }

  #begin (topic: string, position: TopicPosition): Place | undefined {
    const by = this.#owner.isWanted(topic)
    if (by === undefined || (by === 'pattern' && this.#places.size >= MAX_BY_PATTERN)) return undefined
    const place: Place = { first: position, last: position, waiting: undefined, waitingSize: 0, isUncertain: false }
    this.#places.set(topic, place)
    if (by === 'pattern') this.#noteByPattern(topic)
    return place
  }

  /** Subscribers by name have gone. Where too many topics have a place it goes too, unless something waits there. */
  #leaveToPattern (topic: string): void {
    const place = this.#places.get(topic)
    if (place === undefined) return
    if (place.waiting === undefined && this.#places.size > MAX_BY_PATTERN) this.#places.delete(topic)
    else this.#noteByPattern(topic)
  }

  #noteByPattern (topic: string): void {
    const pattern = patternOf(topic)
    const topics = this.#byPattern.get(pattern)
    if (topics === undefined) this.#byPattern.set(pattern, new Set([topic]))
    else topics.add(topic)
  }

  /** Takes what does not follow. */
  #takeOdd (place: Place, record: TopicRecord, position: TopicPosition): void {
    if (isUpTo(place.last, position)) return
    place.waiting = []
    wait(place, record)
    void this.#mend(record.topic, place)
  }

  /** Fetches what is missing, until what waits follows. */
  async #mend (topic: string, place: Place): Promise<void> {
    place.waiting ??= []
    while (place.waiting.length > 0 || place.isUncertain) {
      // What is dropped from here on is looked up once more.
      place.isUncertain = false
      const { last } = place
      const next = place.waiting[0]?.position
      const since = next === undefined || next.epoch === last.epoch ? last : { epoch: next.epoch, offset: 0 }
      const found = await this.#lookUp(topic, since)
      // Nobody is subscribed any more, or anew.
      if (this.#places.get(topic) !== place) return
      if (found?.recovered === true) this.#handAll(place, found.messages)
      this.#handWaiting(place)
      // With a gap that is further on it begins again.
      if (found?.recovered === true && place.last !== last) continue
      const stuckAt = place.waiting[0]?.position
      if (stuckAt !== undefined) {
        this.#lose(topic, place, { epoch: stuckAt.epoch, offset: stuckAt.offset - 1 })
        this.#handWaiting(place)
      } else if (found?.recovered !== true && place.last === last) {
        // Nothing has come meanwhile that would show that nothing is missing.
        this.#lose(topic, place, found?.position)
      }
    }
    place.waiting = undefined
  }

  async #lookUp (topic: string, since: TopicPosition): Promise<TopicHistorySlice | undefined> {
    try {
      return await this.#owner.lookUp(topic, since)
    } catch (error) {
      this.#owner.onError(error)
      return undefined
    }
  }

  /** Hands out those that follow one another; of the rest nothing is known. */
  #handAll (place: Place, records: readonly TopicRecord[]): number {
    let count = 0
    for (const record of records) {
      const { position } = record
      if (position !== undefined && !isUpTo(place.last, position)) {
        if (!follows(place.last, position)) break
        place.last = position
        this.#owner.hand(record)
      }
      count++
    }
    return count
  }

  #handWaiting (place: Place): void {
    const { waiting = [] } = place
    // Handing out may bring more: it is added behind.
    place.waiting = waiting.slice(this.#handAll(place, waiting))
    if (place.waiting.length === 0) place.waitingSize = 0
  }

  #lose (topic: string, place: Place, position: TopicPosition | undefined): void {
    if (position === undefined) this.#places.delete(topic)
    else place.first = place.last = position
    this.#owner.onLost(topic, position)
  }
}

function wait (place: Place, record: TopicRecord): void {
  const { waiting = [] } = place
  if (waiting.length >= MAX_BACKLOG || place.waitingSize > MAX_BACKLOG_SIZE) {
    place.isUncertain = true
    return
  }
  waiting.push(record)
  place.waitingSize += record.data.length
}
