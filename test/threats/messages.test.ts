// Messages that come early, too fast for their handlers, or with JSON that is meant to hurt, on routes of the plugin over TCP.
import { setTimeout as delay } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { AnyWebSocketConnection } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { ClientProcess } from '../helpers/client-process.ts'
import { turns } from '../helpers/connection-pair.ts'
import { openFrames } from '../helpers/frame-client.ts'
import { escaped, settleEscapes } from '../helpers/guard.ts'
import { MemoryWatch, settled } from '../helpers/memory-watch.ts'
import { handshake } from '../helpers/raw-client.ts'
import { closeCodeOf, encodeFrame } from '../helpers/wire-frames.ts'

const MiB = 1_048_576

t.setTimeout(600_000)

const text = (payload: string): Buffer => encodeFrame({ opcode: 1, payload })

/** What an async handler may do before it listens. */
const delays: ReadonlyArray<{ name: string, wait: () => unknown, listen: (connection: AnyWebSocketConnection, got: string[]) => unknown }> = [
  { name: 'a microtask', wait: () => undefined, listen: onMessage },
  { name: 'a turn', wait: () => turns(1), listen: onMessage },
  { name: 'ten turns', wait: () => turns(10), listen: onMessage },
  { name: 'a timer', wait: () => delay(3), listen: onMessage },
  {
    name: 'a turn, then a loop',
    wait: () => turns(1),
    async listen (connection, got) { for await (const message of connection) got.push(String(message)) }
  }
]

function onMessage (connection: AnyWebSocketConnection, got: string[]): void {
  connection.on('message', (message: unknown) => { got.push(String(message)) })
}

for (const { name, wait, listen } of delays) {
  t.test(`T51 200 times a message in the segment of the handshake, the handler listens behind ${name}: once, in order`, async (t) => {
    const { app, open, listen: listenOn } = await makeApp(t, { server: { logger: false } })
    app.addHook('onRequest', async () => { await turns(1) })
    const got = new Map<string, string[]>()
    app.get('/ws/:n', { websocket: true }, async (connection, request) => {
      const messages: string[] = []
      got.set((request.params as { n: string }).n, messages)
      await wait()
      await listen(connection, messages)
    })
    await listenOn()
    const runs = 200
    const want = ['first', 'second', 'third']
    for (let n = 0; n < runs; n += 20) {
      await Promise.all(Array.from({ length: 20 }, async (_, i) => {
        const client = await open()
        client.write(Buffer.concat([Buffer.from(handshake(`/ws/${n + i}`)), ...want.map(text)]))
        await until(() => (got.get(`${n + i}`)?.length ?? 0) >= want.length)
        await turns(2)
        client.destroy()
      }))
    }
    t.equal(got.size, runs)
    t.same([...got.values()].filter((messages) => messages.join() !== want.join()), [])
  })
}

for (const { concurrency, maxQueuedMessages } of [{ concurrency: 1, maxQueuedMessages: 16 }, { concurrency: 8, maxQueuedMessages: 4 }]) {
  t.test(`T52 50,000 messages against a handler of 300 ms, ${concurrency} at once: in flight and memory flat, then all in order`, async (t) => {
    const count = 50_000
    const size = 1_000
    const { app, listen } = await makeApp(t, { server: { logger: false }, plugin: { concurrency, maxQueuedMessages } })
    const accepted: Socket[] = []
    app.server.on('connection', (socket: Socket) => { accepted.push(socket) })
    let isSlow = true
    let started = 0
    let running = 0
    let most = 0
    let wrong = 0
    app.get('/ws', { websocket: true }, (connection) => {
      connection.on('message', async (message) => {
        if (!String(message).startsWith(`${started++};`)) wrong++
        most = Math.max(most, ++running)
        if (isSlow) await delay(300)
        running--
      })
    })
    const port = await listen()
    const clients = await ClientProcess.start(t)
    await clients.open({ port, path: '/ws', count: 1 })
    const wires = Array.from({ length: 50 }, (_, part) => Buffer.concat(
      Array.from({ length: count / 50 }, (_, i) => text(`${part * count / 50 + i};`.padEnd(size, '.')))))
    const watch = await MemoryWatch.start()
    let written = 0
    const sending = (async () => {
      for (const wire of wires) {
        await clients.write(wire)
        written++
      }
    })()
    // three rounds of the handler: by then everything has come that can
    await settled(() => started >= 3 * concurrency)
    const held = await watch.report(t, `T52 50,000 messages of ${size} bytes, ${concurrency} at once`)
    const read = accepted[0]?.bytesRead ?? 0
    t.ok(started <= 10 * concurrency, `${started} were started`)
    t.equal(most, concurrency, 'so many ran at once')
    t.ok(read < (started + maxQueuedMessages + 1) * size + 4 * 65_536, `${read} bytes were read`)
    t.ok(held < MiB, `${held} bytes are held`)
    t.ok(written < wires.length, 'TCP holds the client back')
    isSlow = false
    await settled(() => started === count && running === 0)
    await sending
    t.equal(most, concurrency)
    t.equal(wrong, 0, 'all of them, in order')
  })
}

const Tree = Type.Recursive((This) => Type.Array(This))
const Note = Type.Object({ n: Type.Integer() }, { additionalProperties: false })
const routes = { any: Type.Any(), note: Note, tree: Tree, number: Type.Number(), text: Type.String({ maxLength: 1_000_000 }) }

const nesting = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

/** What comes back is the message as the handler got it, the size of it where that is large, or the close code. */
const texts: ReadonlyArray<{ name: string, route: keyof typeof routes, json: string, want: string | number }> = [
  { name: '__proto__', route: 'any', json: '{"__proto__":{"polluted":1}}', want: 1007 },
  { name: '__proto__ beside what fits', route: 'note', json: '{"n":1,"__proto__":{"polluted":1}}', want: 1007 },
  { name: '__proto__ deep inside', route: 'any', json: '[{"a":[{"b":{"__proto__":{"polluted":1}}}]}]', want: 1007 },
  { name: '__proto__ in escapes', route: 'any', json: '{"\\u005f\\u005fproto\\u005f_":{"polluted":1}}', want: 1007 },
  { name: 'constructor.prototype', route: 'any', json: '{"constructor":{"prototype":{"polluted":1}}}', want: 1007 },
  { name: 'constructor.prototype in escapes', route: 'any', json: '{"\\u0063onstructor":{"\\u0070rototype":{"polluted":1}}}', want: 1007 },
  { name: '__proto__ as a value', route: 'any', json: '"__proto__"', want: '"__proto__"' },
  { name: 'two equal keys: the last one is checked', route: 'note', json: '{"n":1,"n":"2"}', want: 1008 },
  { name: 'two equal keys: the last one is given', route: 'note', json: '{"n":"1","n":2}', want: '{"n":2}' },
  { name: '1e400', route: 'number', json: '1e400', want: 1008 },
  { name: '-1e400 in an object', route: 'note', json: '{"n":-1e400}', want: 1008 },
  { name: 'a number of a thousand digits', route: 'note', json: `{"n":${'9'.repeat(1000)}}`, want: 1008 },
  { name: 'NaN', route: 'number', json: 'NaN', want: 1007 },
  { name: 'half a million brackets that nothing looks into', route: 'any', json: nesting(500_000), want: 1_000_000 },
  { name: 'half a million brackets against a recursive schema', route: 'tree', json: nesting(500_000), want: 1008 },
  { name: 'brackets that nothing closes', route: 'any', json: '['.repeat(1_000_000), want: 1007 },
  { name: 'half a million empty objects', route: 'any', json: `[${'{},'.repeat(300_000)}0]`, want: 900_003 },
  { name: 'a string of a million characters', route: 'text', json: JSON.stringify('x'.repeat(1_000_000)), want: 1_000_002 },
  { name: 'a string too long', route: 'text', json: JSON.stringify('x'.repeat(1_000_001)), want: 1008 },
  { name: 'a key of a million characters', route: 'note', json: `{"n":1,"${'k'.repeat(1_000_000)}":1}`, want: 1008 },
  { name: 'a hundred thousand keys too many', route: 'note', json: `{${Array.from({ length: 80_000 }, (_, i) => `"k${i}":1`).join()}}`, want: 1008 },
  { name: 'half a surrogate pair', route: 'text', json: '"\\ud800"', want: '"\\ud800"' },
  { name: 'a byte order mark in front', route: 'note', json: '\ufeff{"n":1}', want: '{"n":1}' },
  { name: 'nothing', route: 'any', json: '', want: 1007 },
  { name: 'NUL', route: 'any', json: '\0', want: 1007 }
]

t.test('T58 JSON that is meant to hurt', async (t) => {
  const { app, listen, logs } = await makeApp(t)
  for (const [name, schema] of Object.entries(routes)) {
    app.get(`/${name}`, { websocket: true, schema: { websocket: { receive: schema, send: Type.String() } } }, (connection) => {
      // the depth of it is nothing that JSON.stringify could tell
      connection.on('message', (message) => { connection.send(describe(message)) })
    })
  }
  let size = 0
  app.addHook('onRequest', async () => { size = 0 })
  function describe (message: unknown): string {
    return size < 10_000 ? JSON.stringify(message) : `${size} bytes`
  }
  const port = await listen()
  for (const { name, route, json, want } of texts) {
    await t.test(`T58 ${name}`, async (t) => {
      const client = await openFrames({ port, path: `/${route}` })
      void client.untilEnd()
      size = json.length
      await client.write(text(json))
      await client.untilFrames(1)
      const payload = client.frames[0]?.payload.toString() ?? 'null'
      const code = client.closeFrame === undefined ? undefined : closeCodeOf(client.closeFrame.payload)
      if (typeof want === 'number' && want < 5000) {
        t.equal(code, want, `got ${payload}`)
      } else {
        t.equal(code, undefined, `got ${payload}`)
        t.equal(JSON.parse(payload), typeof want === 'number' ? `${want} bytes` : want)
      }
      client.destroy()
      await until(() => app.websocket.connections.size === 0)
      t.equal(({} as { polluted?: unknown }).polluted, undefined)
      await settleEscapes()
      t.same(escaped, [])
    })
  }
  t.same(logs.filter(({ level }) => level >= 50), [], 'all of it is the peer\'s fault')
})

for (const { action, want } of [{ action: 'remove', want: '{"n":1}' }, { action: 'ignore', want: '{"__proto__":{"a":1},"n":1}' }] as const) {
  t.test(`T58 __proto__ where the instance says ${action}`, async (t) => {
    const { app, listen } = await makeApp(t, { server: { onProtoPoisoning: action } })
    app.get('/ws', { websocket: true, schema: { websocket: { receive: Type.Any() } } }, (connection) => {
      connection.on('message', (message) => { connection.send(JSON.stringify(message)) })
    })
    const client = await openFrames({ port: await listen(), path: '/ws' })
    await client.write(text('{"__proto__":{"a":1},"n":1}'))
    await client.untilFrames(1)
    t.equal(client.frames[0]?.payload.toString(), want)
    client.destroy()
  })
}
