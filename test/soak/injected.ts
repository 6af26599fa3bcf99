// Clients in the server's own process, by injectWS: over streams in memory in place of sockets.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { WebSocketConnection } from '../../lib/index.ts'
import { seededRandom } from '../conformance/fuzz.ts'
import { TO_ALL } from './lives.ts'

type Random = ReturnType<typeof seededRandom>

const PATHS = ['/raw', '/pulled', '/async', '/stream', '/slow', '/throws', '/throws-late', '/short', '/few', '/hooked', '/deaf', '/nowhere'] as const

/** Answers of the server, told apart from what goes to all. */
function collect (client: WebSocketConnection): string[] {
  const answers: string[] = []
  client.on('message', (message) => { if (String(message) !== TO_ALL.raw) answers.push(String(message)) })
  // A protocol error, or a reset, is how some of them end.
  client.on('error', () => {})
  return answers
}

export class Injected {
  readonly wrong: string[] = []
  lives = 0
  readonly #app: FastifyInstance
  readonly #random: Random
  readonly #running: Array<Promise<void>>
  #isOver = false

  /** Starts so many clients at once, and new ones in their place. */
  constructor (app: FastifyInstance, count: number, seed: number) {
    this.#app = app
    this.#random = seededRandom(seed)
    this.#running = Array.from({ length: count }, () => this.#liveOn())
  }

  /** Resolves when all have gone. */
  async stop (): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  async #liveOn (): Promise<void> {
    while (!this.#isOver) {
      const path = PATHS[this.#random(PATHS.length)] ?? '/raw'
      try {
        await this.#live(path)
      } catch (error) {
        const { statusCode } = error as { statusCode?: number } // any error may be asked
        if (statusCode !== 503 && !(statusCode === 404 && path === '/nowhere')) this.wrong.push(`injectWS ${path}: ${String(error)}`)
      }
      this.lives++
      await sleep(this.#random(100))
    }
  }

  async #live (path: string): Promise<void> {
    const client = await this.#app.injectWS(path)
    const closed = client.readyState === client.CLOSED ? undefined : once(client, 'close')
    const answers = collect(client)
    const count = this.#random(6)
    for (let n = 0; n < count; n++) client.send(`${n} ${'x'.repeat(this.#random(5_000))}`)
    await sleep(this.#random(200))
    // A busy event loop may take its time.
    for (let n = 0; n < 100 && path === '/raw' && answers.length < count; n++) await sleep(50)
    if (path === '/raw' && answers.length !== count) this.wrong.push(`injectWS: ${answers.length} answers to ${count}`)
    if (this.#random(4) === 0) client.pause()
    if (this.#random(3) === 0) client.terminate()
    else client.close(1000)
    await closed
  }
}
