// What becomes of Fastify's request and reply when a handshake is refused for a limit: what they still do, and what is logged of it.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/** What lines about an error are logged with, debug apart. */
const LEVELS: ReadonlySet<string | symbol> = new Set(['info', 'warn', 'error'])

/** What Fastify says of a 503, of a reply that comes too late or an error behind it, as if the application had made a mistake. */
const COMPLAINTS: ReadonlySet<string | symbol> = new Set(['warn', 'error'])

/**
 * Lowers what is logged through a reply. To debug where the peer has its answer: that a hook has ended later, in whatever way, is no
 * news. To info where the answer is the peer's own doing: a flood of handshakes is none of errors. The application's own lines mostly
 * go through `request.log`, and stay.
 */
export function quieten (reply: FastifyReply, level: 'debug' | 'info' = 'debug'): void {
  reply.log = new Proxy(reply.log, {
    get: (log, name) => memberOf(log, COMPLAINTS.has(name) ? level : name)
  })
}

/** Lowers to debug what is logged of one error through a reply, as it has a line of its own that says more. */
export function quietenError (reply: FastifyReply, error: Error): void {
  const isAbout = (what: unknown): boolean => what === error || (typeof what === 'object' && what !== null && 'err' in what && what.err === error)
  reply.log = new Proxy(reply.log, {
    get (log, name) {
      const [member, debug] = [memberOf(log, name), memberOf(log, 'debug')]
      if (!LEVELS.has(name) || typeof member !== 'function' || typeof debug !== 'function') return member
      return (...args: unknown[]): unknown => (isAbout(args[0]) ? debug : member)(...args) as unknown
    }
  })
}

/** Loggers may be of any make: their methods are called on themselves. */
function memberOf (log: object, name: string | symbol): unknown {
  const member: unknown = Reflect.get(log, name)
  return typeof member === 'function' ? member.bind(log) as unknown : member
}

/**
 * Ends a request as if its client had left, but for the socket: `request.signal` aborts, onRequestAbort hooks run.
 *
 * @param next - called behind all who listen for that
 */
export function abortRequest (request: IncomingMessage, next: () => void): void {
  if (request.destroyed) return next()
  request.once('close', next)
  const { socket } = request
  // Node would destroy the socket as well, and the answer is yet to go there.
  request.socket = { destroyed: true } as Socket // all that is looked at
  request.destroy()
  request.socket = socket
}
