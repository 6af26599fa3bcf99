// An engine of topics whose answers come when the test says so, or not at all: what it was asked has its effect at once, in the order of
// the calls, and the answer is late, or a rejection in place of both.
import { MemoryEngine } from '../../lib/hub/memory-engine.ts'
import type {
  TopicEngine, TopicEngineEvents, TopicHistory, TopicHistorySlice, TopicMember, TopicPosition, TopicRecord
} from '../../types/topics.ts'

export type EngineMethod = keyof TopicEngine

export class GatedEngine implements TopicEngine {
  /** Each call, as `subscribe room/a`. */
  readonly calls: string[] = []
  events: TopicEngineEvents | undefined
  /** What becomes of a message on its way back here. Default: it comes as it is. */
  wire: (record: TopicRecord) => readonly TopicRecord[] = (record) => [record]
  readonly #inner = new MemoryEngine()
  readonly #gates = new Map<EngineMethod, Promise<void>>()
  readonly #failures = new Map<EngineMethod, unknown>()

  /** Holds the answers of a method back from now on. @returns lets them go */
  hold (method: EngineMethod): () => void {
    let release = (): void => {}
    this.#gates.set(method, new Promise((resolve) => {
      release = () => {
        this.#gates.delete(method)
        resolve()
      }
    }))
    return release
  }

  /** Lets a method reject from now on, or again not. */
  fail (method: EngineMethod, reason: unknown = new Error(`${method} failed`)): void {
    this.#failures.set(method, reason)
  }

  mend (method: EngineMethod): void {
    this.#failures.delete(method)
  }

  async #answer<T> (method: EngineMethod, what: string, act: () => T): Promise<T> {
    this.calls.push(what === '' ? method : `${method} ${what}`)
    const gate = this.#gates.get(method)
    const isFailing = this.#failures.has(method)
    const reason = this.#failures.get(method)
    const answer = isFailing ? undefined : act()
    await gate
    if (isFailing) throw reason
    return answer as T // it has acted
  }

  async start (events: TopicEngineEvents): Promise<void> {
    this.events = events
    const deliver = (record: TopicRecord): void => { for (const each of this.wire(record)) events.deliver(each) }
    await this.#answer('start', '', () => this.#inner.start({ ...events, deliver }))
  }

  async publish (record: TopicRecord): Promise<TopicPosition | undefined> {
    return await this.#answer('publish', record.topic, () => this.#inner.publish(record))
  }

  async subscribe (topic: string): Promise<void> { await this.#answer('subscribe', topic, () => {}) }
  async unsubscribe (topic: string): Promise<void> { await this.#answer('unsubscribe', topic, () => {}) }

  async history (topic: string, since: TopicPosition | undefined, limits: TopicHistory | undefined): Promise<TopicHistorySlice> {
    return await this.#answer('history', topic, () => this.#inner.history(topic, since, limits))
  }

  async join (topic: string, member: TopicMember): Promise<void> { await this.#answer('join', `${topic} ${JSON.stringify(member.data)}`, () => this.#inner.join(topic, member)) }
  async leave (topic: string, memberId: string): Promise<void> { await this.#answer('leave', topic, () => this.#inner.leave(topic, memberId)) }
  async presence (topic: string): Promise<readonly TopicMember[]> { return await this.#answer('presence', topic, () => this.#inner.presence(topic)) }
  async close (): Promise<void> { await this.#answer('close', '', () => this.#inner.close()) }
}
