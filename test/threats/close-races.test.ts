// T56: both ends of a connection want to end it, in every order and while something else happens. One `close` event, with
// the truth: who began, the code, the reason, whether the closing handshake was complete.
import t from 'tap'
import type { Test } from 'tap'
import type { AnyWebSocketConnection, WebSocketPluginOptions } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { turns } from '../helpers/connection-pair.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'

type Ending = readonly [code: number, reason: string, wasClean: boolean, initiator: 'local' | 'remote']

t.setTimeout(300_000)

interface Scene {
  readonly app: TestApp['app']
  readonly connection: AnyWebSocketConnection
  readonly client: FrameClient
  /** Lets handlers of messages settle, which wait for it. */
  readonly open: () => void
}

interface Row {
  readonly name: string
  readonly options?: WebSocketPluginOptions
  readonly play: (scene: Scene) => unknown
  readonly want: Ending
  /** Texts that the client got. */
  readonly texts?: readonly string[]
  /** Close frames that the client got, `none` for one without a code. */
  readonly closes?: readonly string[]
}

const text = (payload: string): Buffer => encodeFrame({ opcode: 1, payload })
const close = (code?: number, reason = ''): Buffer => encodeFrame({ opcode: 8, payload: code === undefined ? '' : closePayload(code, reason) })
const soon: WebSocketPluginOptions = { closeTimeout: 30 }

const rows: readonly Row[] = [
  {
    name: 'both at once, ours first',
    play: ({ connection, client }) => { connection.close(4001, 'ours'); void client.write(close(4002, 'theirs')) },
    want: [4002, 'theirs', true, 'local'],
    closes: ['4001 ours']
  },
  {
    name: 'both at once, theirs first',
    async play ({ connection, client }) { await client.write(close(4002, 'theirs')); await turns(3); connection.close(4001, 'ours') },
    want: [4002, 'theirs', true, 'remote'],
    closes: ['4002 theirs']
  },
  {
    name: 'behind what is still on its way out',
    options: { maxBufferedAmount: 64 * 1024 * 1024 },
    async play ({ connection, client }) {
      client.pause()
      for (let i = 0; i < 200; i++) connection.send(Buffer.alloc(65_536, i))
      connection.send('last')
      connection.close(4001)
      await turns(5)
      client.resume()
      await client.untilFrames(202)
      await client.write(close(4001))
    },
    want: [4001, '', true, 'local'],
    texts: ['last'],
    closes: ['4001 ']
  },
  {
    name: 'behind what the peer never reads',
    options: { ...soon, maxBufferedAmount: 64 * 1024 * 1024 },
    play ({ connection, client }) {
      client.pause()
      for (let i = 0; i < 200; i++) connection.send(Buffer.alloc(65_536, i))
      connection.close(4001)
    },
    want: [1006, '', false, 'local']
  },
  {
    name: 'theirs while a handler runs: its answer comes before ours',
    async play ({ client, open }) {
      await client.write(Buffer.concat([text('wait'), close(4002, 'theirs')]))
      await turns(5)
      open()
    },
    want: [4002, 'theirs', true, 'remote'],
    texts: ['wait'],
    closes: ['4002 theirs']
  },
  {
    name: 'ours while a handler runs: what it answers is thrown away',
    async play ({ connection, client, open }) {
      await client.write(text('wait'))
      await turns(5)
      connection.close(4001)
      open()
      await client.write(close(4001))
    },
    want: [4001, '', true, 'local'],
    closes: ['4001 ']
  },
  {
    name: 'a reset while a handler runs',
    async play ({ client, open }) { await client.write(text('wait')); await turns(5); client.reset(); await turns(5); open() },
    want: [1006, '', false, 'remote']
  },
  {
    name: 'twice, and once more with another code',
    async play ({ connection, client }) { connection.close(4001, 'ours'); connection.close(); connection.close(4005); await client.untilFrames(1); await client.write(close(4001, 'ours')) },
    want: [4001, 'ours', true, 'local'],
    closes: ['4001 ours']
  },
  {
    name: 'then terminated',
    play: ({ connection }) => { connection.close(4001); connection.terminate(); connection.terminate() },
    want: [1006, '', false, 'local']
  },
  { name: 'terminated, then closed', play: ({ connection }) => { connection.terminate(); connection.close(4001) }, want: [1006, '', false, 'local'] },
  {
    name: 'theirs, then a reset',
    async play ({ client }) { await client.write(close(4002)); await client.untilFrames(1); client.reset() },
    want: [4002, '', true, 'remote'],
    closes: ['4002 ']
  },
  { name: 'a reset', play: ({ client }) => client.reset(), want: [1006, '', false, 'remote'] },
  { name: 'an end without a Close frame', play: ({ client }) => client.end(), want: [1006, '', false, 'remote'] },
  {
    name: 'an end in the middle of a frame',
    async play ({ client }) { await client.write(encodeFrame({ opcode: 1, announced: 10n })); client.end() },
    want: [1006, '', false, 'remote']
  },
  {
    name: 'an end in the middle of a Close frame',
    async play ({ client }) { await client.write(close(1000, 'reason').subarray(0, 9)); client.end() },
    want: [1006, '', false, 'remote']
  },
  {
    name: 'ours, answered by a reset',
    async play ({ connection, client }) { connection.close(4001); await client.untilFrames(1); client.reset() },
    want: [1006, '', false, 'local'],
    closes: ['4001 ']
  },
  {
    name: 'ours, answered by an end',
    async play ({ connection, client }) { connection.close(4001); await client.untilFrames(1); client.end() },
    want: [1006, '', false, 'local'],
    closes: ['4001 ']
  },
  { name: 'ours, never answered', options: soon, play: ({ connection }) => connection.close(4001), want: [1006, '', false, 'local'], closes: ['4001 '] },
  {
    name: 'ours, answered by messages without end',
    options: soon,
    async play ({ connection, client }) {
      connection.close(4001)
      for (let i = 0; i < 20; i++) await client.write(text('more'))
    },
    want: [1006, '', false, 'local'],
    closes: ['4001 ']
  },
  {
    name: 'ours, answered by a broken frame',
    async play ({ connection, client }) { connection.close(4001); await client.untilFrames(1); await client.write(encodeFrame({ opcode: 3 })) },
    want: [1002, 'reserved opcode (RFC 6455 §5.2)', false, 'local'],
    closes: ['4001 ']
  },
  {
    name: 'theirs has no code',
    async play ({ client }) { await client.write(close()) },
    want: [1005, '', true, 'remote'],
    closes: ['none']
  },
  {
    name: 'theirs, with more frames behind it',
    async play ({ client }) { await client.write(Buffer.concat([close(4002), text('late'), encodeFrame({ opcode: 9 }), close(4003)])) },
    want: [4002, '', true, 'remote'],
    closes: ['4002 ']
  },
  {
    name: 'everybody is told to go',
    async play ({ app, client }) {
      const done = app.websocket.close()
      await client.untilFrames(1)
      await client.write(close(1001))
      await done
    },
    want: [1001, '', true, 'local']
  },
  {
    name: 'in the listener of a message, with more messages behind it',
    async play ({ client }) { await client.write(Buffer.concat([text('close'), text('never'), text('never')])); await client.untilFrames(1); await client.write(close(4009)) },
    want: [4009, '', true, 'local'],
    closes: ['4009 ']
  }
]

async function openScene (t: Test, options: WebSocketPluginOptions): Promise<{ scene: Scene, endings: Ending[], logs: TestApp['logs'] }> {
  const { app, listen, logs } = await makeApp(t, { plugin: options })
  const endings: Ending[] = []
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  let held: AnyWebSocketConnection | undefined
  app.get('/ws', { websocket: true }, (connection) => {
    held = connection
    connection.on('close', (code, reason, { wasClean, initiator }) => {
      endings.push([code, reason, wasClean, initiator])
      // too late for all of it, and still no fault
      connection.close(1000)
      connection.send('late')
      connection.ping()
      connection.terminate()
    })
    connection.on('message', async (message) => {
      if (message === 'close') return connection.close(4009)
      if (message === 'wait') await opened
      connection.send(message)
    })
  })
  const client = await openFrames({ port: await listen(), path: '/ws' })
  t.teardown(() => client.destroy())
  // answers the server's FIN with its own
  void client.untilEnd()
  if (held === undefined) throw new Error('the handler has not run before the 101 was read')
  return { scene: { app, client, connection: held, open }, endings, logs }
}

for (const { name, options = {}, play, want, texts = [], closes } of rows) {
  t.test(`T56 ${name}`, async (t) => {
    const { scene, endings, logs } = await openScene(t, options)
    const { app, connection, client } = scene
    const { signal } = connection
    await play(scene)
    await until(() => endings.length > 0)
    t.equal(connection.readyState, connection.CLOSED)
    t.equal(signal.aborted, true)
    t.equal(connection.send('x'), false)
    client.end()
    await until(() => app.websocket.connections.size === 0)
    await turns(10)
    t.same(endings, [want], 'one event')
    t.equal(client.fault, undefined)
    t.same(client.frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => payload.toString()), texts)
    if (closes !== undefined) {
      const got = client.frames.filter(({ opcode }) => opcode === 8)
      t.same(got.map(({ payload }) => payload.length === 0 ? 'none' : `${payload.readUInt16BE()} ${payload.toString('utf8', 2)}`), closes)
    }
    t.same(logs.filter(({ level }) => level >= 40), [])
  })
}

t.test('T56 a thousand connections, each closed from both ends at moments of their own', async (t) => {
  const { app, listen } = await makeApp(t, { server: { logger: false }, plugin: { closeTimeout: 1000 } })
  const endings = new Map<string, number>()
  let events = 0
  app.get('/ws/:turns', { websocket: true }, async (connection, request) => {
    connection.on('close', (code, _reason, { wasClean, initiator }) => {
      events++
      const ending = `${code} ${wasClean} ${initiator}`
      endings.set(ending, (endings.get(ending) ?? 0) + 1)
    })
    connection.on('message', (message) => { connection.send(message) })
    await turns(Number((request.params as { turns: string }).turns))
    connection.close(4001)
  })
  const port = await listen()
  const total = 1000
  for (let first = 0; first < total; first += 50) {
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const client = await openFrames({ port, path: `/ws/${i % 10}` })
      await client.write(text('hi'))
      await turns((i * 7) % 11)
      if (i % 10 === 9) return client.reset()
      await client.write(close(4002))
      await client.untilEnd()
    }))
  }
  await until(() => app.websocket.connections.size === 0 && events >= total)
  await turns(10)
  t.equal(events, total)
  t.same([...endings.keys()].filter((ending) => !['4002 true local', '4002 true remote', '1006 false local', '1006 false remote'].includes(ending)), [])
  t.ok(endings.has('4002 true local') && endings.has('4002 true remote'), 'both came first at times')
})
