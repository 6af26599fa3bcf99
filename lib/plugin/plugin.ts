// The plugin as Fastify loads it: hooks and decorators. What they do is elsewhere.
import type { Server } from 'node:http'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Hub } from '../hub/hub.ts'
import type { WebSocketPluginOptions, WebSocketServerView } from '../../types/index.ts'
import { clientVerifier, mergeCompatibleOptions, readCompatibleOptions } from './compat.ts'
import { NoSocketRouteError } from './errors.ts'
import { createInjector } from './inject.ts'
import { readPluginOptions } from './options.ts'
import { Quota } from './quota.ts'
import { checkRoutes, findRegistration, findSocketRoute, isObserved, register } from './registration.ts'
import { useServer } from './server-state.ts'
import type { ServerState } from './server-state.ts'
import { addShutdown } from './shutdown.ts'
import { findUpgrade, isHandshake, isUpgrade } from './upgrade.ts'

async function plugin (fastify: FastifyInstance, given: WebSocketPluginOptions): Promise<void> {
  const options = readPluginOptions(given)
  const compatible = readCompatibleOptions(options.options, fastify)
  const settings = mergeCompatibleOptions(options, compatible)
  // The type of Fastify's server is that of HTTP/1 by default. One for HTTP/2 has the same events when it allows HTTP/1.
  const server = compatible.server ?? fastify.server as Server
  const state = useServer(server, fastify, settings)
  const { maxConnections, maxConnectionsPerIp } = settings
  const quota = Quota.of({ maxConnections, maxConnectionsPerIp })
  const registration = { instance: fastify, state, settings, quota, verifyClient: clientVerifier(compatible) }

  // Where a context around this one has the plugin, hooks and decorators are there already.
  if (findRegistration(fastify) === undefined) {
    decorate(fastify, state)
    fastify.addHook('onRequest', admit)
  }
  fastify.addHook('onReady', async () => checkRoutes(fastify))
  addShutdown(registration)
  register(registration)
}

function decorate (fastify: FastifyInstance, state: ServerState): void {
  fastify.decorateRequest('ws', { getter () { return isUpgrade(this.raw) } })
  // The nearest registration's, as a context within may listen on another server.
  fastify.decorate('websocket', { getter () { return hubOf(this) } })
  fastify.decorate('websocketServer', { getter () { return viewOf(hubOf(this)) } })
  fastify.decorate('injectWS', createInjector(fastify, state))
}

function hubOf (instance: FastifyInstance): Hub {
  const registration = findRegistration(instance)
  if (registration === undefined) throw new Error('fastify-typed-websocket has decorated an instance without registering it')
  return registration.state.hub
}

function viewOf (hub: Hub): WebSocketServerView {
  return {
    clients: hub.connections,
    close (callback) { hub.close().then(() => callback?.(), callback) }
  }
}

/** The onRequest hook: a handshake is let in by its route, before anything else runs for it. One that came to none gets its answer here. */
function admit (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  if (!isHandshake(reply.raw)) return done()
  const route = findSocketRoute(request.routeOptions.config)
  if (route === undefined || request.is404) return refuseStray(this, request, reply, done)
  let checked: void | Promise<void>
  try {
    checked = route.admit(request, reply)
  } catch (error) {
    return done(error as Error) // errors are all that is thrown; what the application's functions throw is Fastify's to judge
  }
  if (checked === undefined) done()
  else checked.then(() => done(), done)
}

/** A handshake that came to no WebSocket route gets an answer before a handler takes it for a request. */
function refuseStray (instance: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  const upgrade = findUpgrade(reply.raw)
  if (request.is404) {
    // Another listener of `upgrade` may know the path; if none does, the socket does not stay open for long.
    const state = findRegistration(instance)?.state
    if (state === undefined || !state.hasCompany) return done()
    reply.hijack()
    if (upgrade !== undefined) state.leaveToOthers(upgrade)
    return
  }
  const { url = '' } = request.routeOptions
  if (!isObserved(instance)) {
    request.log.warn(`a WebSocket handshake came to the HTTP route ${url}. If it was declared with \`websocket: true\`, that was before ` +
      'fastify-typed-websocket had loaded: import the package before Fastify() is called, or register it with await')
  }
  const error = new NoSocketRouteError(`${request.method} ${url}`)
  upgrade?.blame(error.code)
  done(error)
}

/** Adds WebSocket routes to Fastify. */
const websocket: FastifyPluginAsync<WebSocketPluginOptions> = fp(plugin, { fastify: '5.x', name: 'fastify-typed-websocket' })

export default websocket
