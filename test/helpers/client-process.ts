// Clients in a process of their own, for tests that measure the memory or the CPU of the server in this one. They send what
// they are told, as bytes, and count what comes back without looking at it.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { forkPlain } from './fork-plain.ts'

/** What the other process is told; it answers each with a `Counts`, in order of completion. */
export type Order =
  | { readonly kind: 'open', readonly port: number, readonly path: string, readonly count: number, readonly first: Uint8Array, readonly offer: string | undefined }
  | { readonly kind: 'write', readonly bytes: Uint8Array, readonly times: number }
  | { readonly kind: 'pause' | 'resume' | 'count' | 'destroy' }

/** Of all connections of that process since its start. */
export interface Counts {
  readonly opened: number
  /** Connections that have come to their end for reading. */
  readonly ended: number
  /** Bytes behind the 101. */
  readonly received: number
}

export interface OpenOptions {
  readonly port: number
  readonly path: string
  readonly count: number
  /** Bytes in the segment of the handshake. */
  readonly first?: Uint8Array
  /** A value of Sec-WebSocket-Extensions. */
  readonly offer?: string
}

export class ClientProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (counts: Counts) => void>()
  #orders = 0

  private constructor (child: ChildProcess) {
    this.#child = child
    child.on('message', ({ id, counts }: { id: number, counts: Counts }) => {
      this.#waiting.get(id)?.(counts)
      this.#waiting.delete(id)
    })
  }

  /** Starts the process; it is gone when the test ends. */
  static async start (t: Test): Promise<ClientProcess> {
    const child = forkPlain(new URL('./client-process-main.js', import.meta.url), [], { serialization: 'advanced' })
    t.teardown(() => { child.kill('SIGKILL') })
    await once(child, 'message')
    return new ClientProcess(child)
  }

  /** Opens connections; resolves when the head of the answer has come to each. */
  async open ({ first = Buffer.alloc(0), offer, ...options }: OpenOptions): Promise<Counts> {
    return await this.#order({ kind: 'open', first, offer, ...options })
  }

  /** Writes the bytes on every connection, so many times; resolves when the sockets have taken all, or are gone. */
  async write (bytes: Uint8Array, times = 1): Promise<Counts> {
    return await this.#order({ kind: 'write', bytes, times })
  }

  /** Stops reading. */
  async pause (): Promise<Counts> {
    return await this.#order({ kind: 'pause' })
  }

  async resume (): Promise<Counts> {
    return await this.#order({ kind: 'resume' })
  }

  async count (): Promise<Counts> {
    return await this.#order({ kind: 'count' })
  }

  /** Asks for the counts until they are as wanted. */
  async until (isEnough: (counts: Counts) => boolean): Promise<Counts> {
    for (;;) {
      const counts = await this.count()
      if (isEnough(counts)) return counts
    }
  }

  /** Resets all connections. */
  async destroy (): Promise<Counts> {
    return await this.#order({ kind: 'destroy' })
  }

  async #order (order: Order): Promise<Counts> {
    const id = this.#orders++
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, resolve)
      this.#child.send({ id, order }, (error) => { if (error !== null) reject(error) })
    })
  }
}
