// Who may come in: a handshake that has found its route is held against caps and origins before anything else runs for it. Owns the
// order of the checks and what a refusal leaves behind; numbers are a quota's, origins are origin.ts's.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ForeignOriginError } from './errors.ts'
import { makeLimitError, tellLimit } from './handshake-limit.ts'
import { quieten, quietenError } from './late-reply.ts'
import type { RouteSettings } from './options.ts'
import { makeOriginCheck } from './origin.ts'
import type { OriginCheck } from './origin.ts'
import { Quota } from './quota.ts'
import type { Upgrade } from './upgrade.ts'

export class Admission {
  readonly #handshakeTimeout: number
  readonly #quotas: readonly Quota[]
  readonly #checkOrigin: OriginCheck

  /**
   * @param settings - of the route; caps among them are its own
   * @param shared - the quota of all routes of its registration
   */
  constructor (settings: RouteSettings, shared: Quota | undefined) {
    this.#handshakeTimeout = settings.handshakeTimeout
    this.#quotas = [shared, Quota.of(settings)].filter(quota => quota !== undefined)
    this.#checkOrigin = makeOriginCheck(settings.allowedOrigins)
  }

  /**
   * Lets a handshake in, with the places that it holds from now on, or refuses it. A second time, when two contexts around the route
   * have the hook, it does nothing.
   *
   * @throws, or rejects with, the error that becomes the answer; its headers are on the reply already, as an error handler of the
   * application may not set them
   */
  admit (upgrade: Upgrade, request: FastifyRequest, reply: FastifyReply): void | Promise<void> {
    if (!upgrade.enterRoute(reply, this.#handshakeTimeout)) return
    if (this.#quotas.length > 0) this.#takePlaces(upgrade, request, reply)
    try {
      const checked = this.#checkOrigin(request)
      return checked?.catch((error: unknown) => refuseOrigin(error, upgrade, reply))
    } catch (error) {
      refuseOrigin(error, upgrade, reply)
    }
  }

  #takePlaces (upgrade: Upgrade, request: FastifyRequest, reply: FastifyReply): void {
    const ip = (): string | undefined => request.ip
    // All of them are looked at before one place is taken: a refused handshake holds none.
    for (const quota of this.#quotas) {
      const limit = quota.findFull(ip)
      if (limit === undefined) continue
      const error = makeLimitError(limit, request)
      reply.headers(error.headers)
      // Fastify logs any 5xx as the server's fault.
      quieten(reply, 'info')
      upgrade.blame(error.code)
      throw error
    }
    for (const quota of this.#quotas) upgrade.hold(quota.take(ip))
  }
}

/** What the application's own function has thrown is not this plugin's refusal. */
function refuseOrigin (error: unknown, upgrade: Upgrade, reply: FastifyReply): never {
  if (error instanceof ForeignOriginError) {
    upgrade.blame(error.code)
    tellLimit('allowedOrigins', error, reply.request)
    // The check has logged it.
    quietenError(reply, error)
  }
  // Fastify takes a hook that throws nothing for one that has nothing against it.
  throw error ?? new Error('allowedOrigins threw without an error')
}
