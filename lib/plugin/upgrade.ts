// One upgrade on its way through Fastify, from the `upgrade` event to its answer. Owns the raw socket in between, the deadline,
// and the places that it holds: a 101 hands the socket on, any other answer closes it. Knows nothing of routes.
//
// Most handshakes are answered before Fastify's router has returned. For those there is nothing to wait for, and so neither a
// deadline nor listeners that look out for the peer: they come with `wait`.
import { STATUS_CODES } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { wheel } from '../connection/timer-wheel.ts'
import type { WheelEntry } from '../connection/timer-wheel.ts'
import { abortRequest, quieten } from './late-reply.ts'
import type { Place } from './quota.ts'
import { UpgradeResponse } from './upgrade-response.ts'

const NO_PLACES: readonly Place[] = []

/** How long, in ms, bytes that nobody wants are read behind a refusal, so that closing does not reset the connection. */
const LINGER = 1_000

/** Takes the socket when the 101 has left; `head` is what had been read behind the request. */
export type OpenSocket = (socket: Duplex, head: Buffer) => void

/** An error that becomes an HTTP answer without Fastify. */
export interface Refusal extends Error {
  readonly code: string
  readonly statusCode?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Tells whether a raw request is, or was, one for an upgrade: Node's own mark, which it takes off what goes to the HTTP server's listeners. */
export function isUpgrade (request: object): boolean {
  // Undocumented. A map of our own would be one more thing to keep for each connection.
  return (request as { upgrade?: unknown }).upgrade === true
}

/** Tells whether the answer to a request is that to a WebSocket handshake which this plugin has taken. */
export function isHandshake (response: object): boolean {
  return response instanceof UpgradeResponse
}

/** Finds the upgrade that waits for this answer. */
export function findUpgrade (response: object): Upgrade | undefined {
  return response instanceof UpgradeResponse ? response.upgrade : undefined
}

export interface UpgradeOwner {
  /** The upgrade is over: the socket was handed on, or is closed or closing. */
  onSettled (upgrade: Upgrade): void
  /** It was refused, or is. `reason` is the code of an error of this package, else the status as text. */
  onRefused (upgrade: Upgrade, reason: string): void
  /** A hook has hijacked the reply and serves the socket: the upgrade is over, the socket is not. */
  onHijacked (socket: Duplex): void
  /** It was answered by a hook with a status that is no refusal, and that only the route may give; the peer got 500. */
  onMisanswered (upgrade: Upgrade, statusCode: number): void
  /** The peer left before it had its answer, with a socket error or without. */
  onGone (upgrade: Upgrade, error: Error | undefined): void
  /** The deadline has passed. @returns the answer, if there is time for one */
  onOverdue (upgrade: Upgrade): Refusal
}

/** How an upgrade begins. */
export interface UpgradeTimes {
  /** When the `upgrade` event came, on the clock of `performance.now()`. */
  readonly startedAt: number
  /** The deadline in ms after that, until `enterRoute` sets another. */
  readonly timeout: number
}

export class Upgrade implements WheelEntry {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDue = 0
  /** Its owner's: it counts among those that have no answer yet. */
  isCounted = false
  readonly request: IncomingMessage
  /** The answer, an ordinary one: what Fastify writes here goes to the socket. */
  readonly response: UpgradeResponse
  readonly #socket: Socket
  readonly #head: Buffer
  readonly #owner: UpgradeOwner
  readonly #startedAt: number
  #timeout: number
  /** Made when there is something to wait for: the peer left, or half-closed, which is the same before there is an answer. */
  #onGone: (() => void) | undefined
  /** Fastify's reply, once a route is known. */
  #reply: FastifyReply | undefined
  #places: readonly Place[] = NO_PLACES
  #open: OpenSocket | undefined
  /** Called if that never happens. */
  #onUnopened: (() => void) | undefined
  #settled = false
  /** Why it is refused, where that is known better than by the status. */
  #reason: string | undefined

  /** Takes the socket over: an error of it goes by unheard, and is there to be found when somebody looks. */
  constructor (request: IncomingMessage, socket: Duplex, head: Buffer, owner: UpgradeOwner, { startedAt, timeout }: UpgradeTimes) {
    this.request = request
    // Node's types ask for a network's socket; nothing here or there does.
    this.#socket = socket as Socket
    this.#head = head
    this.#owner = owner
    this.#startedAt = startedAt
    this.#timeout = timeout
    // Node took all its listeners off: without one of ours a reset would end the process.
    socket.on('error', destroyFailed)
    // `timeout` listeners of Fastify's onTimeout hook stay; the server's own timeouts are for requests.
    if ('timeout' in socket && socket.timeout) this.#socket.setTimeout(0)

    const response = new UpgradeResponse(request, this)
    this.response = response
    response.assignSocket(this.#socket)
  }

  /** Fastify's reply, once a route is known. */
  get reply (): FastifyReply | undefined {
    return this.#reply
  }

  /**
   * Goes on under the rules of its route.
   *
   * @param timeout - ms after the `upgrade` event, not after now
   * @returns false if it has been there already, or is over
   */
  enterRoute (reply: FastifyReply, timeout: number): boolean {
    if (this.#settled || this.#reply !== undefined) return false
    this.#reply = reply
    if (timeout === this.#timeout) return true
    this.#timeout = timeout
    if (this.#onGone !== undefined) this.#setDeadline()
    return true
  }

  /**
   * Goes on when Fastify's router has returned: with what follows the answer if that is out already, else the answer is waited for,
   * and the deadline runs.
   *
   * @returns true if it is waited for
   */
  wait (): boolean {
    if (this.#settled) return false
    if (this.response.writableFinished) {
      this.#onFinish()
      return false
    }
    this.#onGone = () => this.#onLeft()
    this.#socket.on('end', this.#onGone).on('close', this.#onGone)
    this.response.once('finish', () => this.#onFinish())
    this.#setDeadline()
    return true
  }

  /** Keeps a place until the upgrade is over; if it ends with a 101, until the socket is gone. */
  hold (place: Place): void {
    if (this.#settled) place.end()
    else this.#places = [...this.#places, place]
  }

  /** Says whose fault the refusal is that follows; the first to say so is right. */
  blame (reason: string): void {
    this.#reason ??= reason
  }

  /**
   * Says what a 101 says, and who gets the socket after it. Without that, or with any other status, the socket is closed behind the
   * answer, and `onUnopened` is called.
   */
  accept (headers: Readonly<Record<string, string>>, open: OpenSocket, onUnopened?: () => void): void {
    this.response.agree(headers)
    this.#open = open
    this.#onUnopened = onUnopened
  }

  /** Answers without Fastify, in the form of Fastify's own errors. */
  refuse (error: Refusal): void {
    const { response } = this
    if (response.headersSent) return
    const { code, message, statusCode = 500, headers } = error
    this.blame(code)
    const body = JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
    response.finishWith(statusCode, {
      ...headers,
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body)
    }, body)
  }

  /** Ends it without an answer, as nobody is left to give one. */
  abandon (reason: string): void {
    if (this.#settled) return
    this.#settle()
    this.#hush()
    this.#owner.onRefused(this, reason)
    this.#destroy()
  }

  /** Lets go of the socket, unanswered. Its errors are still caught. */
  release (): Duplex {
    this.#settle()
    this.response.detachSocket(this.#socket)
    return this.#socket
  }

  #setDeadline (): void {
    wheel.schedule(this, this.#startedAt + this.#timeout - wheel.now())
  }

  /** The deadline has passed. */
  onDue (): void {
    const { response, request } = this
    // A hook has hijacked the reply and serves the socket itself.
    if (hasReader(this.#socket)) return this.#owner.onHijacked(this.release())
    this.#settle()
    this.#hush()
    const refusal = this.#owner.onOverdue(this)
    this.#owner.onRefused(this, refusal.code)
    // A refusal that is streamed for ever, or a peer that does not read.
    if (response.headersSent) return this.#destroy()
    // The request ends first: Fastify ceases to look after `request.signal` when the answer is out.
    response.seal()
    abortRequest(request, () => {
      this.refuse(refusal)
      closeBehindAnswer(this.#socket)
    })
  }

  #onLeft (): void {
    if (this.#settled) return
    this.#settle()
    this.#hush()
    this.#tellGone()
    this.#destroy()
  }

  #tellGone (): void {
    this.#owner.onGone(this, this.#socket.errored ?? undefined)
  }

  #onFinish (): void {
    const socket = this.#socket
    const { response } = this
    if (this.#settled) {
      response.detachSocket(socket)
      return
    }
    const open = response.statusCode === 101 ? this.#open : undefined
    // The peer left while hooks ran, and 'end' had been emitted before anybody listened.
    const isGone = socket.destroyed || socket.readableEnded
    this.#settle(open !== undefined && !isGone)
    response.detachSocket(socket)
    if (open === undefined) {
      const { misanswer } = response
      if (misanswer !== undefined) this.#owner.onMisanswered(this, misanswer)
      this.#owner.onRefused(this, this.#reason ?? String(response.statusCode))
      closeBehindAnswer(socket)
      return
    }
    if (isGone) {
      socket.destroy()
      this.#tellGone()
      return
    }
    open(socket, this.#head)
    socket.off('error', destroyFailed)
  }

  /** @param isOpening - a connection begins: its places stay taken */
  #settle (isOpening = false): void {
    if (this.#settled) return
    this.#settled = true
    if (this.#onGone !== undefined) {
      wheel.cancel(this)
      this.#socket.off('end', this.#onGone).off('close', this.#onGone)
    }
    this.response.upgrade = undefined
    if (isOpening) keepUntilClosed(this.#socket, this.#places)
    else {
      for (const place of this.#places) place.end()
      this.#onUnopened?.()
    }
    this.#owner.onSettled(this)
  }

  /** From here on, whatever hooks, handler or Fastify still do is for nobody. */
  #hush (): void {
    if (this.#reply !== undefined) quieten(this.#reply)
  }

  #destroy (): void {
    this.#socket.destroy()
    // Else `request.signal` and onRequestAbort hooks never hear of it.
    this.request.destroy()
  }
}

/** One listener for all sockets: `this` tells which one it is. Most have destroyed themselves by then. */
function destroyFailed (this: Duplex): void {
  this.destroy()
}

/**
 * Gives the places of a connection back when its socket is gone. Not at the `close` event, which comes later while handlers are
 * busy: what a connection costs the server is the socket, and a client that comes back must find its place free.
 */
function keepUntilClosed (socket: Socket, places: readonly Place[]): void {
  if (places.length === 0) return
  for (const place of places) place.endHandshake()
  socket.once('close', () => { for (const place of places) place.end() })
}

/** Tells whether somebody reads from a socket: this plugin does not before the 101. */
export function hasReader (socket: Duplex): boolean {
  return socket.listenerCount('data') + socket.listenerCount('readable') > 0
}

/**
 * Closes a socket behind its last answer: sends FIN, and reads what comes without looking at it.
 *
 * Bytes left unread would turn the FIN into a reset, which may overtake the answer (RFC 9112 §9.6). One that neither reads nor
 * ends has `LINGER` for it.
 */
function closeBehindAnswer (socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), LINGER)
  socket.once('close', () => clearTimeout(timer))
  socket.end(() => {
    if (socket.readableEnded) socket.destroy()
    else socket.once('end', () => socket.destroy())
  })
  socket.resume()
}
