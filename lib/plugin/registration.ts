// Where the plugin is registered, and which routes are its. Owns the way from a Fastify context to the registration that
// serves it, in whatever order contexts, routes and registrations come.
import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { InvalidRouteError, UnreachableRouteError } from './errors.ts'
import type { ClientVerifier } from './compat.ts'
import { injectWhenLoaded } from './inject.ts'
import type { PluginSettings } from './options.ts'
import type { Quota } from './quota.ts'
import type { ServerState } from './server-state.ts'
import { SocketRoute } from './socket-route.ts'

/** The plugin in one context. */
export interface Registration {
  readonly instance: FastifyInstance
  readonly state: ServerState
  readonly settings: PluginSettings
  /** Counts the connections of all its routes, where it has caps for them. */
  readonly quota: Quota | undefined
  readonly verifyClient: ClientVerifier | undefined
}

/** What `websocket` and `wsHandler` add to a route; its other options are Fastify's. */
export type DeclaredRoute = RouteOptions & { websocket?: unknown, wsHandler?: unknown }

/** In a route's config: leads from a request to its route, as nothing else in a route's options reaches a hook. */
const ROUTE = Symbol('fastify-typed-websocket.route')

const registrations = new WeakMap<object, Registration>()
/** All WebSocket routes by server, those included that no registration serves yet. */
const routes = new WeakMap<object, SocketRoute[]>()
/** Root instances whose routes are seen from the first one on. */
const observed = new WeakSet<object>()

// A route may be declared before the plugin has loaded: `app.register(websocket); app.get(...)` without `await`. Then the plugin's
// own onRoute hook would come too late, and nothing that Fastify keeps of a route tells that it was to be a WebSocket route.
// So each instance gets an onRoute hook when it is made, which is what Fastify has this channel for.
subscribe('fastify.initialization', (message) => {
  // Fastify's documentation says what is in the message.
  const { fastify } = message as { fastify: FastifyInstance }
  observed.add(fastify.server)
  fastify.addHook('onRoute', observeRoute)
  // In front of the prototype that the instance has: as a property of its own no plugin could decorate over it, this one or another.
  const early = { injectWS: { value: injectWhenLoaded, writable: true, configurable: true } }
  Object.setPrototypeOf(fastify, Object.create(Object.getPrototypeOf(fastify) as object, early) as object)
})

/** Finds the registration that serves a context: its own, else the nearest one around it. */
export function findRegistration (instance: FastifyInstance): Registration | undefined {
  // A Fastify context has the one around it as its prototype.
  for (let context: object | null = instance; context !== null; context = Object.getPrototypeOf(context)) {
    const registration = registrations.get(context)
    if (registration !== undefined) return registration
  }
  return undefined
}

/**
 * Registers the plugin in a context: from now on its routes are served, those declared before included.
 *
 * @throws what is wrong with one of those routes
 */
export function register (registration: Registration): void {
  const { instance } = registration
  registrations.set(instance, registration)
  if (!observed.has(instance.server)) instance.addHook('onRoute', observeRoute)
  for (const route of routes.get(instance.server) ?? []) {
    if (findRegistration(route.instance) === registration) route.serve(registration)
  }
}

/** Tells whether routes were seen from the instance's first one on; they were not if this module was loaded after the instance was made. */
export function isObserved (instance: FastifyInstance): boolean {
  return observed.has(instance.server)
}

/** Finds the WebSocket route that a route's config belongs to. */
export function findSocketRoute (config: object): SocketRoute | undefined {
  return (config as { [ROUTE]?: SocketRoute })[ROUTE]
}

/**
 * Checks that each WebSocket route of a server is served, and can be; to be called when all plugins have loaded.
 *
 * @throws `FST_WS_UNREACHABLE_ROUTE` with all routes for which the plugin is not there, `FST_WS_INVALID_SCHEMA`
 */
export async function checkRoutes (instance: FastifyInstance): Promise<void> {
  for (const route of routes.get(instance.server) ?? []) await route.warmUp()
  const stray = (routes.get(instance.server) ?? []).filter(route => route.isForSockets && !route.isServed && !belongsToAnotherPlugin(route.instance))
  if (stray.length === 0) return
  const names = stray.map(route => route.name).join(', ')
  throw new UnreachableRouteError(`${names}: declared for WebSocket in a context where fastify-typed-websocket is not registered. ` +
    'Register the plugin in that context or in one around it, such as the root instance')
}

/** Another plugin may use the same route options: @fastify/websocket does, and has this decorator. */
function belongsToAnotherPlugin (instance: FastifyInstance): boolean {
  return instance.hasDecorator('websocketServer') && findRegistration(instance) === undefined
}

/** The onRoute hook: makes a WebSocket route of each one that asks for it, whether its registration is there or not. */
function observeRoute (this: FastifyInstance, options: RouteOptions): void {
  // Both are this package's own additions.
  const declared: DeclaredRoute = options
  // Other values that are as good as false are mistakes. The registration says so, as in another plugin they may be none.
  if ((declared.websocket === undefined || declared.websocket === false) && !declared.wsHandler) {
    if (findRegistration(this) !== undefined) checkNotForgotten(declared)
    return
  }
  // Seen already: two registrations around a context, or a route that another onRoute hook has copied.
  if (findSocketRoute(declared.config ?? {}) !== undefined) return

  const registration = findRegistration(this)
  const route = new SocketRoute(this, { ...declared })
  if (registration !== undefined) route.serve(registration)
  declared.handler = route.handler
  declared.config = { ...declared.config, [ROUTE]: route } as NonNullable<typeof declared.config>
  declared.schema = route.schema
  remember(this, route)
}

/** @throws `FST_WS_INVALID_ROUTE` for a route with message schemas that says nothing of WebSocket: it would get HTTP requests as connections */
function checkNotForgotten ({ websocket, schema, method, url }: DeclaredRoute): void {
  if (websocket === false || schema?.websocket === undefined) return
  throw new InvalidRouteError(`${[method].flat().join(', ')} ${url}: has schema.websocket, but neither \`websocket: true\` nor a wsHandler`)
}

function remember (instance: FastifyInstance, route: SocketRoute): void {
  const list = routes.get(instance.server)
  if (list === undefined) routes.set(instance.server, [route])
  else list.push(route)
}
