// `fastify.close()` with live connections: they are told to go, and waited for, but not for ever. Owns the deadline.
import type { FastifyInstance } from 'fastify'
import type { Registration } from './registration.ts'

/** A preClose hook in either of Fastify's forms. */
type PreClose = (this: FastifyInstance, done: (error?: Error) => void) => unknown

/** Part of Fastify's own time limit for a hook that ours may use; after it, preClose hooks that come later would be skipped. */
const SHARE_OF_PLUGIN_TIMEOUT = 0.8

/** Adds the hooks that end all connections of a registration when its instance closes. */
export function addShutdown (registration: Registration): void {
  const { instance, state, settings } = registration
  const { shutdownTimeout, preClose } = settings
  let shutdown: Promise<void> = Promise.resolve()

  instance.addHook('preClose', async function (this: FastifyInstance) {
    // Not left to Fastify, which goes on accepting with `return503OnClosing: false`.
    state.hub.stopAccepting()
    state.abandonHandshakes(shutdownTimeout)
    try {
      if (preClose !== undefined) await callHook(preClose as PreClose, this)
    } finally {
      shutdown = preClose === undefined
        ? state.hub.shutDown(shutdownTimeout, registration)
        : state.hub.terminateAfter(shutdownTimeout, registration)
    }
    await Promise.race([shutdown, patienceOf(instance)])
  })

  // Where the deadline is longer than the patience. Hooks of this kind have no time limit. Connections over TCP have gone by
  // now, as the server waits for them; those of `injectWS` no server knows.
  instance.addHook('onClose', async () => {
    await shutdown
    state.end()
  })
}

/** Waits for as long as a preClose hook may take. */
function patienceOf (instance: FastifyInstance): Promise<void> {
  const { pluginTimeout = 10_000 } = instance.initialConfig
  // 0 is no limit: never.
  if (pluginTimeout === 0) return new Promise(() => {})
  return new Promise((resolve) => { setTimeout(resolve, pluginTimeout * SHARE_OF_PLUGIN_TIMEOUT).unref() })
}

/** Runs a hook as Fastify does: with a callback if it has a parameter. */
function callHook (hook: PreClose, instance: FastifyInstance): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const result = hook.call(instance, (error) => error === undefined || error === null ? resolve(undefined) : reject(error))
    if (hook.length === 0) resolve(result)
  })
}
