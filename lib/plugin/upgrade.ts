// One upgrade on its way through Fastify, from the `upgrade` event to its answer. Owns the raw socket in between:
// a 101 hands it on, any other answer closes it. Knows nothing of routes.
import { STATUS_CODES } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { UpgradeResponse } from './upgrade-response.ts'

/** How long, in ms, bytes that nobody wants are read behind a refusal, so that closing does not reset the connection. */
const LINGER = 1_000

/** How long, in ms, another listener of `upgrade` may take to begin with a socket that was left to it. */
const LEFT_TO_OTHERS = 10_000

/** Takes the socket when the 101 has left; `head` is what had been read behind the request. */
export type OpenSocket = (socket: Duplex, head: Buffer) => void

/** An error that becomes an HTTP answer without Fastify. */
export interface Refusal extends Error {
  readonly code: string
  readonly statusCode?: number
  readonly headers?: Readonly<Record<string, string>>
}

// Nothing is hung on the request: this leads from it to its upgrade, and stays when the upgrade is over, without it.
const upgrades = new WeakMap<object, Upgrade | undefined>()

/** Tells whether a raw request is, or was, a WebSocket handshake. */
export function isHandshake (request: object): boolean {
  return upgrades.has(request)
}

/** Finds the upgrade of a raw request that waits for its answer. */
export function findUpgrade (request: object): Upgrade | undefined {
  return upgrades.get(request)
}

export interface UpgradeOwner {
  /** The upgrade is over: the socket was handed on, or is closed or closing. */
  onSettled (upgrade: Upgrade): void
  /** The peer left before it had its answer, with a socket error or without. */
  onGone (upgrade: Upgrade, error: Error | undefined): void
}

export class Upgrade {
  readonly request: IncomingMessage
  /** The answer, an ordinary one: what Fastify writes here goes to the socket. */
  readonly response: UpgradeResponse
  readonly #socket: Socket
  readonly #head: Buffer
  readonly #owner: UpgradeOwner
  #open: OpenSocket | undefined
  #settled = false
  #error: Error | undefined

  /** Takes the socket over; from here on neither an error nor the end of it goes unnoticed. */
  constructor (request: IncomingMessage, socket: Duplex, head: Buffer, owner: UpgradeOwner) {
    this.request = request
    // Node's types ask for a network's socket; nothing here or there does.
    this.#socket = socket as Socket
    this.#head = head
    this.#owner = owner
    // Node took all its listeners off: without one of ours a reset would end the process.
    socket.on('error', this.#onError)
    // `timeout` listeners of Fastify's onTimeout hook stay; the server's own timeouts are for requests.
    if ('setTimeout' in socket && typeof socket.setTimeout === 'function') socket.setTimeout(0)

    const response = new UpgradeResponse(request)
    this.response = response
    response.assignSocket(this.#socket)
    socket.once('end', this.#onGone)
    socket.once('close', this.#onGone)
    socket.on('drain', this.#onDrain)
    response.once('finish', this.#onFinish)
    upgrades.set(request, this)
  }

  /** Says what a 101 says, and who gets the socket after it. Without that, or with any other status, the socket is closed behind the answer. */
  accept (headers: Readonly<Record<string, string>>, open: OpenSocket): void {
    this.response.agree(headers)
    this.#open = open
  }

  /** Answers without Fastify, in the form of Fastify's own errors. */
  refuse (error: Refusal): void {
    const { response } = this
    if (response.headersSent) return
    const { code, message, statusCode = 500, headers } = error
    const body = JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
    response.writeHead(statusCode, {
      ...headers,
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body)
    })
    response.end(body)
  }

  /** Destroys the socket, answered or not. */
  destroy (): void {
    this.#onGone()
  }

  /**
   * Leaves the socket to another listener of `upgrade`, unanswered.
   *
   * One that nobody begins to read is destroyed in the end: this upgrade may have been nobody's.
   */
  release (): void {
    this.#settle()
    this.response.detachSocket(this.#socket)
    const socket = this.#socket
    const timer = setTimeout(() => {
      if (socket.listenerCount('data') + socket.listenerCount('readable') === 0) socket.destroy()
    }, LEFT_TO_OTHERS).unref()
    socket.once('close', () => clearTimeout(timer))
  }

  // Listeners are fields, so that they can be taken off again.

  readonly #onError = (error: Error): void => {
    this.#error = error
    this.#socket.destroy()
  }

  /** The peer left, or half-closed, which is the same before there is an answer. */
  readonly #onGone = (): void => {
    if (this.#settled) return
    this.#settle()
    this.#owner.onGone(this, this.#error)
    this.#socket.destroy()
    // Else `request.signal` and onRequestAbort hooks never hear of it.
    this.request.destroy()
  }

  /** Node's own server does this for answers that are streamed. */
  readonly #onDrain = (): void => {
    this.response.emit('drain')
  }

  readonly #onFinish = (): void => {
    const socket = this.#socket
    this.#settle()
    this.response.detachSocket(socket)
    if (this.response.statusCode !== 101 || this.#open === undefined) {
      closeBehindAnswer(socket)
      return
    }
    // The peer left while hooks ran, and 'end' had been emitted before anybody listened.
    if (socket.destroyed || socket.readableEnded) {
      socket.destroy()
      this.#owner.onGone(this, this.#error)
      return
    }
    this.#open(socket, this.#head)
    socket.off('error', this.#onError)
  }

  #settle (): void {
    if (this.#settled) return
    this.#settled = true
    this.#socket.off('end', this.#onGone).off('close', this.#onGone).off('drain', this.#onDrain)
    upgrades.set(this.request, undefined)
    this.#owner.onSettled(this)
  }
}

/**
 * Closes a socket behind its last answer: sends FIN, and reads what comes without looking at it.
 *
 * Bytes left unread would turn the FIN into a reset, which may overtake the answer (RFC 9112 §9.6).
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
