// What the server sends compressed, on the plugin over TCP: the same message to many is compressed once, and messages that another
// thread compresses keep their place.
import { createDeflateRaw } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import type { AnyWebSocketConnection, WebSocketPerMessageDeflate } from '../../lib/index.ts'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { turns } from '../helpers/connection-pair.ts'
import { DeflateCodec, readAnswer } from '../helpers/deflate-codec.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { settled } from '../helpers/memory-watch.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

const OFFER = 'permessage-deflate; client_max_window_bits'
const TAKEOVER = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false }

t.setTimeout(120_000)

/** What node:zlib does all its work with; neither is documented. */
interface ZlibHandle {
  writeSync (...args: unknown[]): unknown
  write (...args: unknown[]): unknown
}

/** Counts what any stream of zlib in this process is given to work on, until the test ends. */
function countRuns (t: Test): { runs: number } {
  const stream = createDeflateRaw() as unknown as { readonly _handle: ZlibHandle, close (): void }
  const prototype = Object.getPrototypeOf(stream._handle) as ZlibHandle // what all handles have
  stream.close()
  const counter = { runs: 0 }
  for (const name of ['writeSync', 'write'] as const) {
    const original = prototype[name]
    const own = Object.getOwnPropertyDescriptor(prototype, name)
    Object.defineProperty(prototype, name, {
      configurable: true,
      value (this: unknown, ...args: unknown[]) {
        counter.runs++
        return Reflect.apply(original, this, args)
      }
    })
    t.teardown(() => {
      if (own === undefined) Reflect.deleteProperty(prototype, name)
      else Object.defineProperty(prototype, name, own)
    })
  }
  return counter
}

/** Connections to a route, by the offers of their clients in turn. */
async function connectMany (t: Test, perMessageDeflate: boolean | WebSocketPerMessageDeflate, offers: readonly string[], count: number): Promise<{ app: TestApp['app'], connections: AnyWebSocketConnection[], clients: FrameClient[] }> {
  const { app, listen } = await makeApp(t, { server: { logger: false }, plugin: { maxBufferedAmount: 64 * 2 ** 20 } })
  app.get('/ws', { websocket: { perMessageDeflate } }, () => {})
  const port = await listen()
  const clients: FrameClient[] = []
  for (let i = 0; i < count; i++) clients.push(await openFrames({ port, path: '/ws', offer: offers[i % offers.length] ?? OFFER, deadline: 60_000 }))
  t.teardown(() => { for (const client of clients) client.destroy() })
  await settled(() => app.websocket.connections.size === count)
  return { app, connections: [...app.websocket.connections], clients }
}

const words = (length: number): string => 'the same message to everybody, as a broadcast has it; '.repeat(length / 50 + 1).slice(0, length)

/** The data messages that came to a client, inflated. */
async function messagesOf ({ frames, extensions }: FrameClient): Promise<Buffer[]> {
  const codec = new DeflateCodec(readAnswer(extensions) ?? new Map<string, string>())
  const messages: Buffer[] = []
  for (const { opcode, compressed, payload } of frames) if (opcode < 8) messages.push(compressed === true ? await codec.inflate(payload) : payload)
  codec.close()
  return messages
}

const bits = (count: number): string => `${OFFER}; server_max_window_bits=${count}`

for (const { name, offers, count, runs, isTakeover = false } of [
  { name: '1,000 that agree on the same', offers: [OFFER], count: 1000, runs: 1 },
  { name: '60 that agree on one of three windows, in turns', offers: [OFFER, bits(10), bits(12)], count: 60, runs: 3 },
  { name: '60 of which half keep their context, in turns', offers: [OFFER, `${OFFER}; server_no_context_takeover`], count: 60, runs: 31, isTakeover: true }
]) {
  for (const { kind, message } of [
    { kind: 'a text', message: words(8000) }, { kind: 'bytes', message: Buffer.from(words(8000)) },
    { kind: 'a text for another thread', message: words(100_000) }, { kind: 'bytes for another thread', message: Buffer.from(words(100_000)) }
  ]) {
    t.test(`a broadcast of ${kind} to ${name} is compressed ${runs} times`, async (t) => {
      const { app, clients } = await connectMany(t, isTakeover ? { serverNoContextTakeover: false } : true, offers, count)
      // from the first on there is something to look back to; and zlib's handles are tried out when they are needed first
      app.websocket.broadcast(words(5000))
      await Promise.all(clients.map((client) => client.untilFrames(1)))
      const counter = countRuns(t)
      app.websocket.broadcast(message)
      await Promise.all(clients.map((client) => client.untilFrames(2)))
      // a stream reads its input in more than one go where the output is long
      const most = message.length > 65_536 ? runs * 2 : runs
      t.ok(counter.runs >= runs && counter.runs <= most, `${counter.runs} runs of zlib`)
      const got = await Promise.all(clients.slice(0, 12).map(messagesOf))
      t.ok(got.every(([, second]) => second?.equals(Buffer.from(message)) === true), 'right for each')
      t.ok(clients.every(({ frames }) => frames[1]?.compressed === true), 'and compressed')
    })
  }
}

t.test('a broadcast of two messages in turns, to connections of two windows: each gets its own', async (t) => {
  const { connections, clients } = await connectMany(t, true, [OFFER, bits(9)], 20)
  for (let i = 0; i < 6; i++) {
    for (const connection of connections) connection.send(words(2000 + i % 2))
  }
  await Promise.all(clients.map((client) => client.untilFrames(6)))
  for (const client of clients) t.same((await messagesOf(client)).map(({ length }) => length), [2000, 2001, 2000, 2001, 2000, 2001])
})

for (const [mode, options] of [['no context', true], ['context takeover', TAKEOVER]] as const) {
  t.test(`large and small messages to a slow reader keep their order, with ${mode}`, async (t) => {
    const { connections: [connection], clients: [client] } = await connectMany(t, options, [OFFER], 1)
    if (connection === undefined || client === undefined) throw new Error('there is one')
    client.pause()
    const sent: Array<string | Buffer> = []
    const taken: number[] = []
    const waits: Array<Promise<unknown>> = []
    // noise among them fills the kernel's buffers, so that the reader is what all wait for
    for (let i = 0; i < 60; i++) {
      const noise = Buffer.from(Array.from({ length: 200_000 }, (_, at) => ((at + i) * 2654435761 >>> 11) & 0xff))
      const message = [words(70_000 + i), `small ${i}`, noise, words(3000 + i), Buffer.from(words(300_000 + i)), ''][i % 6] ?? ''
      sent.push(message)
      const compress = i % 5 !== 4
      if (i % 4 === 1) waits.push(connection.sendAndWait(message, { compress }).then(() => taken.push(i)))
      else connection.send(message, { compress })
      if (i % 7 === 0) await turns(1)
      if (i % 10 === 0) connection.ping(`${i}`)
    }
    t.ok(connection.bufferedAmount > 1_000_000, `${connection.bufferedAmount} bytes wait`)
    await turns(50)
    t.ok(taken.length < waits.length, `${taken.length} of ${waits.length} are taken`)
    client.resume()
    await client.untilFrames(66)
    await Promise.all(waits)
    t.same(taken, taken.toSorted((a, b) => a - b), 'taken in order')
    const got = await messagesOf(client)
    t.equal(got.length, 60)
    t.same(got.flatMap((message, i) => message.equals(Buffer.from(sent[i] as string)) ? [] : [i]), [], 'all in order')
    t.equal(connection.bufferedAmount, 0)
    // the close waits for what is compressed
    connection.send(words(200_000))
    connection.send('last')
    connection.close(1000)
    await client.untilFrames(69)
    t.same(client.frames.slice(-3).map(({ opcode }) => opcode), [1, 1, 8])
    await client.write(encodeFrame({ opcode: 8, payload: client.closeFrame?.payload ?? '' }))
    t.equal(await client.untilEnd(), 'fin')
  })
}
