// A Connection on one end of a real socket and a peer made of bytes on the other, for the tests of lib/connection. The
// handshake is taken as done. The peer has its own frame encoder and reader: what lib/ gets wrong is not repaired here.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Test } from 'tap'
import { Connection } from '../../lib/connection/connection.ts'
import type { ConnectionSettings } from '../../lib/connection/connection.ts'
import { closePayload, encodeFrame, maskBytes } from './wire-frames.ts'
import type { FrameToSend } from './wire-frames.ts'

/** One frame as the peer got it, unmasked. */
export interface PeerFrame {
  readonly opcode: number
  readonly payload: Buffer
  /** The masking key, undefined in a frame without one. */
  readonly mask: Buffer | undefined
  /** RSV1 is set: the payload is as it came. */
  readonly isCompressed: boolean
}

/** How the connection ended, as its `close` event told. */
export interface CloseCall {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  readonly initiator: string
}

export interface PairOptions extends Partial<ConnectionSettings> {
  /** Bytes that came with the handshake. */
  readonly head?: Buffer
  /** Runs as the route's handler would. Default: none, reading begins with the first listener. */
  readonly handler?: (connection: Connection) => unknown
  readonly tls?: boolean
  /** False leaves the calling of `start` to the test. Default true. */
  readonly started?: boolean
}

export interface Pair {
  readonly connection: Connection
  /** The connection's own socket, to look at. */
  readonly socket: Socket
  readonly peer: Peer
  /** What `onError` was called with. */
  readonly faults: Error[]
}

/** Reads unfragmented frames of either role and checks what no valid frame can be without. */
export class PeerReader {
  #chunks: Buffer[] = []
  #size = 0
  #needed = 2
  #closed = false
  readonly #takesCompressed: boolean

  /** @param takesCompressed - permessage-deflate was agreed on: data frames may have RSV1 */
  constructor (takesCompressed = false) {
    this.#takesCompressed = takesCompressed
  }

  receiveData (chunk: Buffer): PeerFrame[] {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return []
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const frames: PeerFrame[] = []
    let at = 0
    for (;;) {
      const length = frameLengthAt(bytes, at)
      this.#needed = length
      if (bytes.length - at < length) break
      frames.push(this.#read(bytes.subarray(at, at + length)))
      at += length
    }
    const rest = bytes.subarray(at)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#size = rest.length
    return frames
  }

  #read (bytes: Buffer): PeerFrame {
    const opcode = bytes.readUInt8(0) & 0xf
    const masked = (bytes.readUInt8(1) & 0x80) !== 0
    const isCompressed = this.#takesCompressed && opcode < 8 && (bytes.readUInt8(0) & 0x40) !== 0
    if ((bytes.readUInt8(0) & 0xf0) !== (isCompressed ? 0xc0 : 0x80)) throw new Error(`not a whole message: ${bytes.toString('hex', 0, 16)}`)
    if (![1, 2, 8, 9, 10].includes(opcode)) throw new Error(`no such opcode: ${bytes.toString('hex', 0, 16)}`)
    // §5.5.2: a ping is answered until the peer has sent its Close frame.
    if (this.#closed && opcode !== 10) throw new Error(`a frame behind Close: ${bytes.toString('hex', 0, 16)}`)
    this.#closed ||= opcode === 8
    const header = headerLengthAt(bytes, 0)
    const payload = bytes.subarray(header)
    const mask = masked ? Buffer.from(bytes.subarray(header - 4, header)) : undefined
    return { opcode, mask, isCompressed, payload: mask === undefined ? Buffer.from(payload) : maskBytes(payload, mask) }
  }
}

function headerLengthAt (bytes: Buffer, at: number): number {
  const second = bytes.length - at < 2 ? 0 : bytes.readUInt8(at + 1)
  const length7 = second & 0x7f
  return 2 + (length7 === 126 ? 2 : length7 === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4)
}

/** Bytes of the frame at `at`, or of its header while that is not all there. */
function frameLengthAt (bytes: Buffer, at: number): number {
  const header = headerLengthAt(bytes, at)
  if (bytes.length - at < header) return header
  const length7 = bytes.readUInt8(at + 1) & 0x7f
  if (length7 === 126) return header + bytes.readUInt16BE(at + 2)
  if (length7 === 127) return header + Number(bytes.readBigUInt64BE(at + 2))
  return header + length7
}

/** The other end of a Connection: it sends frames, legal or not, and keeps what it gets. */
export class Peer {
  readonly frames: PeerFrame[] = []
  /** What the connection sent against the rules. */
  fault: unknown
  /** The connection's FIN has come. */
  hasEnded = false
  isGone = false
  /** False for a peer that keeps its side open after the other's FIN. */
  answersFin = true
  readonly socket: Socket
  readonly #masked: boolean
  readonly #reader: PeerReader
  #rounds = 0
  #wake: Array<() => void> = []

  /** @param takesCompressed - as `PeerReader` */
  constructor (socket: Socket, masked: boolean, takesCompressed = false) {
    this.socket = socket
    this.#masked = masked
    this.#reader = new PeerReader(takesCompressed)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => {
      this.hasEnded = true
      if (this.answersFin) socket.end()
      this.#notify()
    })
    // A reset is how some tests end; they see it by `isGone`.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isGone = true
      this.#notify()
    })
  }

  /** Text of the data frames that have come. */
  get texts (): string[] {
    return this.frames.filter(({ opcode }) => opcode < 8).map(({ payload }) => payload.toString())
  }

  /** One frame as bytes, masked as this peer's role wants; legal unless `bits` say otherwise. */
  frame (opcode: number, payload: Uint8Array | string = '', bits: Pick<FrameToSend, 'fin' | 'rsv'> = {}): Buffer {
    return encodeFrame(this.#masked ? { opcode, payload, ...bits } : { opcode, payload, mask: null, ...bits })
  }

  /** A compressed message as frames: one, or fragments of so many bytes. */
  compressedFrames (opcode: number, payload: Buffer, fragmentLength = Infinity): Buffer {
    const frames: Buffer[] = []
    let at = 0
    do {
      const end = Math.min(at + fragmentLength, payload.length)
      // RFC 7692 §6.1: RSV1 marks the first fragment only.
      frames.push(this.frame(at === 0 ? opcode : 0, payload.subarray(at, end), { rsv: at === 0 ? 0b100 : 0, fin: end === payload.length }))
      at = end
    } while (at < payload.length)
    return Buffer.concat(frames)
  }

  /** Frames of texts, behind each other. */
  textFrames (...texts: string[]): Buffer {
    return Buffer.concat(texts.map(text => this.frame(1, text)))
  }

  /** Sends a Close frame. */
  close (code?: number, reason = ''): void {
    this.send(8, code === undefined ? '' : closePayload(code, reason))
  }

  /** Sends texts in one write. */
  text (...texts: string[]): void {
    this.socket.write(this.textFrames(...texts))
  }

  send (opcode: number, payload: Uint8Array | string = ''): void {
    this.socket.write(this.frame(opcode, payload))
  }

  /** Resolves when `isThere` holds, looked at whenever bytes or the end have come; rejects when nothing more can come. */
  async until (isThere: () => boolean): Promise<void> {
    for (;;) {
      if (this.fault !== undefined) throw this.fault
      if (isThere()) return
      if (this.isGone) throw new Error(`the connection is gone, after ${this.frames.length} frames`)
      await new Promise<void>((resolve) => { this.#wake.push(resolve) })
    }
  }

  async untilFrames (count: number): Promise<PeerFrame[]> {
    await this.until(() => this.frames.length >= count)
    return this.frames
  }

  /** Pings, and resolves with the pong: what was sent before has been read by then. */
  async roundTrip (): Promise<void> {
    const data = `round ${this.#rounds++}`
    this.send(9, data)
    await this.until(() => this.frames.some(({ opcode, payload }) => opcode === 10 && payload.toString() === data))
  }

  async untilEnd (): Promise<void> {
    await this.until(() => this.hasEnded)
  }

  async untilGone (): Promise<void> {
    await this.until(() => this.isGone)
  }

  #receive (chunk: Buffer): void {
    try {
      this.frames.push(...this.#reader.receiveData(chunk))
    } catch (error) {
      this.fault ??= error
      this.socket.destroy()
    }
    this.#notify()
  }

  #notify (): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}

/** Settings of a server's connection that a test need not spell out. */
export function settingsWith (options: Partial<ConnectionSettings> = {}): ConnectionSettings {
  return {
    role: 'server',
    maxPayload: 1_048_576,
    closeTimeout: 2000,
    highWaterMark: 65_536,
    concurrency: 1,
    maxQueuedMessages: 16,
    onError () {},
    ...options
  }
}

const server = createServer({ allowHalfOpen: true, noDelay: true })
/** What waits for the accepted end, by the port of the other one. */
const waiting = new Map<number, (socket: Socket) => void>()
let listening: Promise<unknown> | undefined

server.on('connection', (socket) => {
  const settle = waiting.get(socket.remotePort ?? 0)
  // Both ends are in this process: the accepted one may be reported before the other knows its own port.
  if (settle === undefined) setImmediate(() => server.emit('connection', socket))
  else settle(socket)
})

/** Opens a TCP connection over 127.0.0.1 and returns both ends: the accepted one, and the one that connected. */
export async function openSockets (): Promise<{ near: Socket, far: Socket }> {
  await (listening ??= once(server.listen(0, '127.0.0.1').unref(), 'listening'))
  // `address` of a listening TCP server is an AddressInfo
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const near = await new Promise<Socket>((resolve) => {
    far.once('connect', () => waiting.set(far.localPort ?? 0, resolve))
  })
  waiting.delete(far.localPort ?? 0)
  return { near, far }
}

/** The same with TLS, by a key that both know: no certificate is needed. */
export async function openTlsSockets (): Promise<{ near: Socket, far: Socket }> {
  const psk = Buffer.alloc(16, 7)
  const options = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' as const }
  const tlsServer = createTlsServer({ ...options, allowHalfOpen: true, pskCallback: () => psk, pskIdentityHint: 'test' })
  tlsServer.listen(0, '127.0.0.1')
  await once(tlsServer, 'listening')
  const { port } = tlsServer.address() as AddressInfo // as above
  // A variable, as the types of `connect` do not know `allowHalfOpen`.
  const target = { ...options, port, host: '127.0.0.1', allowHalfOpen: true, checkServerIdentity: () => undefined, pskCallback: () => ({ psk, identity: 'test' }) }
  const far = connectTls(target)
  const [near] = await once(tlsServer, 'secureConnection') as [Socket]
  tlsServer.close()
  return { near, far }
}

/** Makes a Connection on a socket; whatever goes wrong is kept in `faults`. */
export function connectionOn (socket: Duplex, options: PairOptions = {}): { connection: Connection, faults: Error[] } {
  const { head = Buffer.alloc(0), handler, tls: _tls, started = true, onError, ...settings } = options
  const faults: Error[] = []
  const connection = new Connection(socket, settingsWith({
    ...settings,
    onError (error, from) {
      faults.push(error)
      return onError?.(error, from)
    }
  }))
  if (started) connection.start(head, handler && (() => handler(connection)))
  return { connection, faults }
}

/** Opens a Connection with its peer. Both are gone when the test ends. */
export async function openPair (t: Test, options: PairOptions = {}): Promise<Pair> {
  const { near, far } = options.tls === true ? await openTlsSockets() : await openSockets()
  const peer = new Peer(far, options.role !== 'client', options.deflate !== undefined)
  const { connection, faults } = connectionOn(near, options)
  t.teardown(() => {
    far.destroy()
    near.destroy()
  })
  return { connection, socket: near, peer, faults }
}

/** Counts what reaches a stream's sink: one call is one system call on a socket. */
export function countWrites (socket: Duplex): { calls: number } {
  const counter = { calls: 0 }
  for (const name of ['_write', '_writev'] as const) {
    const original = socket[name] as ((...args: unknown[]) => void) | undefined
    if (original == null) continue
    // On the object itself: its prototype stays what it was.
    Object.defineProperty(socket, name, {
      value (...args: unknown[]) {
        counter.calls++
        return original.apply(socket, args)
      }
    })
  }
  return counter
}

/** Sends until the kernel takes no more, to a peer that does not read. Returns how many messages of 64 KiB that took. */
export async function fillUp ({ connection, socket, peer }: Pair): Promise<number> {
  peer.socket.pause()
  let count = 0
  do {
    connection.send(Buffer.alloc(65_536, count++))
    await turns(1)
  } while (socket.writableLength === 0)
  return count
}

/** Collects the calls of `close`: there must be one. */
export function closeCallsOf (connection: Connection): CloseCall[] {
  const calls: CloseCall[] = []
  connection.on('close', (code: number, reason: string, { wasClean, initiator }: { wasClean: boolean, initiator: string }) => {
    calls.push({ code, reason, wasClean, initiator })
  })
  return calls
}

/** Resolves with the `close` event. */
export async function untilClosed (connection: Connection): Promise<CloseCall> {
  return await new Promise((resolve) => {
    connection.once('close', (code: number, reason: string, { wasClean, initiator }: { wasClean: boolean, initiator: string }) => {
      resolve({ code, reason, wasClean, initiator })
    })
  })
}

/** Turns the event loop until something holds; for what has no event, such as a kernel's buffer that has filled up. */
export async function untilTrue (holds: () => boolean): Promise<void> {
  while (!holds()) await turns(1)
}

/** Lets the event loop turn some times, the sockets polled. */
export async function turns (count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => { setImmediate(resolve) })
}

setFlagsFromString('--expose-gc')
/** Collects garbage; V8 has no other way to ask for it from inside. */
const collectGarbage = runInNewContext('gc') as () => void

/** Heap and buffers in bytes, after collections. */
export async function memoryUsed (): Promise<number> {
  // The memory of Buffers is given back behind the collection that finds them, not in it.
  for (let i = 0; i < 3; i++) {
    collectGarbage()
    await turns(2)
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
