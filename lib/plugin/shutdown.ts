// `fastify.close()` with live connections: they are told to go, and waited for, but not for ever. Owns the deadlines, which
// run for all registrations of an instance from one moment.
import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { destroyTime } from '../hub/ending.ts'
import type { Ending } from '../hub/ending.ts'
import type { Registration } from './registration.ts'
import { SilentSockets } from './silent-sockets.ts'

/** A preClose hook in either of Fastify's forms. */
type PreClose = (this: FastifyInstance, done: (error?: Error) => void) => unknown

/** Part of Fastify's own time limit for a hook that ours may use; after it, preClose hooks that come later would be skipped. */
const SHARE_OF_PLUGIN_TIMEOUT = 0.8

/** How often, in ms, it is looked whether Fastify has passed over our hooks. */
const LOOKOUT_INTERVAL = 50

/** What the engine of topics has in any case, in ms, to let its members leave. */
const LEAST_FOR_TOPICS = 1_000

/** The shutdown of each instance, by a function that is the same in all its contexts. */
const shutdowns = new WeakMap<object, Shutdown>()

/** Adds the hooks that end all connections of a registration when its instance closes. */
export function addShutdown (registration: Registration): void {
  const { instance, settings: { preClose } } = registration
  const shutdown = shutdownOf(instance)
  shutdown.add(registration)

  instance.addHook('preClose', async function (this: FastifyInstance) {
    const patience = new Patience(instance)
    try {
      const ending = shutdown.begin(registration)
      if (preClose !== undefined) await callHook(preClose as PreClose, this)
      await patience.waitFor(ending.whenOver())
    } finally {
      patience.end()
    }
  })

  // Where the deadline is longer than the patience. Hooks of this kind have no time limit. Connections over TCP have gone by
  // now, as the server waits for them; those of `injectWS` no server knows.
  instance.addHook('onClose', async () => {
    await shutdown.begin(registration).whenOver()
    await shutdown.end(registration)
  })
}

function shutdownOf (instance: FastifyInstance): Shutdown {
  const existing = shutdowns.get(instance.routing)
  if (existing !== undefined) return existing
  const shutdown = new Shutdown(instance.server as Server) // as in plugin.ts
  shutdowns.set(instance.routing, shutdown)
  // The last onClose hook comes first, and one that is added so late even before all preClose hooks.
  instance.addHook('onReady', async () => {
    instance.addHook('onClose', async () => shutdown.lookOut())
  })
  return shutdown
}

/**
 * The end of all connections of an instance. Fastify runs preClose hooks one after the other; the first of ours begins it for
 * all registrations, so that their times do not add up.
 */
class Shutdown {
  /** What Fastify itself listens on. */
  readonly #server: Server
  /** The server waits for those too who are connected and silent. */
  readonly #silent: SilentSockets
  readonly #registrations: Registration[] = []
  /** Those whose connections have not all ended. */
  readonly #left = new Set<Registration>()
  readonly #endings = new Map<Registration, Ending>()
  /** By `performance.now()`. */
  readonly #deadlines = new Map<Registration['state'], number>()
  #silenceTimer: NodeJS.Timeout | undefined
  #lookout: NodeJS.Timeout | undefined

  constructor (server: Server) {
    this.#server = server
    this.#silent = new SilentSockets(server)
  }

  add (registration: Registration): void {
    this.#registrations.push(registration)
    this.#left.add(registration)
  }

  /**
   * Begins when Fastify has closed the server without having called our hooks, which it does when a preClose hook before them
   * fails, or takes too long: then it would wait for connections that nobody ends. No event tells of that.
   */
  lookOut (): void {
    if (!this.#server.listening) return
    this.#lookout = setInterval(() => { if (!this.#server.listening) this.#begin() }, LOOKOUT_INTERVAL).unref()
  }

  /** Begins with all registrations, unless it has begun. @returns the end of one of them */
  begin (registration: Registration): Ending {
    if (this.#endings.size === 0) this.#begin()
    return this.#endings.get(registration)! // all have one now
  }

  /** A registration's connections have ended. The last one of a server lets go of it, behind its topics: those of the others leave until then. */
  async end (registration: Registration): Promise<void> {
    const { state } = registration
    this.#left.delete(registration)
    if (![...this.#left].some((other) => other.state === state)) {
      const timeLeft = (this.#deadlines.get(state) ?? 0) - performance.now()
      await state.hub.topics.close(Math.max(timeLeft, LEAST_FOR_TOPICS))
      state.end()
    }
    if (this.#left.size > 0) return
    clearTimeout(this.#silenceTimer)
    this.#silent.end()
  }

  #begin (): void {
    clearInterval(this.#lookout)
    const states = new Map<Registration['state'], number>()
    for (const { state, settings: { shutdownTimeout } } of this.#registrations) {
      // Not left to Fastify, which goes on accepting with `return503OnClosing: false`.
      state.hub.stopAccepting()
      states.set(state, Math.max(shutdownTimeout, states.get(state) ?? 0))
    }
    for (const registration of this.#registrations) {
      const { state, settings: { shutdownTimeout, shutdownStagger, preClose } } = registration
      const times = { timeout: shutdownTimeout, stagger: shutdownStagger, tells: preClose === undefined }
      this.#endings.set(registration, state.hub.end(times, registration))
    }
    // Whose handshake it is that has no answer yet nobody can say: the longest deadline is for all of them.
    for (const [state, timeout] of states) {
      state.abandonHandshakes(destroyTime(timeout))
      this.#deadlines.set(state, performance.now() + timeout)
    }
    const longest = destroyTime(Math.max(...states.values()))
    this.#silenceTimer = setTimeout(() => this.#silent.destroy(), longest).unref()
  }
}

/** The time that a preClose hook may take, from its start on. */
class Patience {
  readonly #isOver: Promise<void>
  #timer: NodeJS.Timeout | undefined

  constructor (instance: FastifyInstance) {
    const { pluginTimeout = 10_000 } = instance.initialConfig
    this.#isOver = new Promise((resolve) => {
      // 0 is no limit: never.
      if (pluginTimeout > 0) this.#timer = setTimeout(resolve, pluginTimeout * SHARE_OF_PLUGIN_TIMEOUT)
    })
  }

  async waitFor (event: Promise<void>): Promise<void> {
    await Promise.race([event, this.#isOver])
  }

  end (): void {
    clearTimeout(this.#timer)
  }
}

/** Runs a hook as Fastify does: with a callback if it has a parameter. */
function callHook (hook: PreClose, instance: FastifyInstance): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const result = hook.call(instance, (error) => error === undefined || error === null ? resolve(undefined) : reject(error))
    if (hook.length === 0) resolve(result)
  })
}
