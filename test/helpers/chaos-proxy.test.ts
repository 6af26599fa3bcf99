// The tests' own proxy in front of a plain TCP server: every fault that it promises really happens, and no other does.
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { ChaosProxy } from './chaos-proxy.ts'
import type { Link, LinkOptions } from './chaos-proxy.ts'
import { turn } from './frame-client.ts'
import { RawClient } from './raw-client.ts'

/** The server's end of a connection: what came, read by read, and how it ended. */
interface ServerEnd {
  readonly socket: Socket
  readonly reads: Buffer[]
  ending: 'fin' | 'reset' | undefined
}

interface Through {
  readonly client: RawClient
  readonly server: ServerEnd
  readonly link: Link
}

/** Opens a connection through a proxy of its own. */
async function open (t: Test, options?: LinkOptions): Promise<Through> {
  const ends: ServerEnd[] = []
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const end: ServerEnd = { socket, reads: [], ending: undefined }
    ends.push(end)
    socket.on('data', (chunk: Buffer) => { end.reads.push(chunk) })
    socket.on('end', () => { end.ending ??= 'fin' })
    socket.on('error', () => { end.ending ??= 'reset' })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo // it listens on TCP
  const proxy = await ChaosProxy.start(port, options)
  t.teardown(async () => {
    await proxy.close()
    for (const { socket } of ends) socket.destroy()
    server.close()
  })
  const client = await RawClient.connect(proxy.port)
  t.teardown(() => client.destroy())
  const link = await proxy.link(0)
  await until(() => ends.length === 1)
  const [end] = ends
  if (end === undefined) throw new Error('no connection')
  return { client, server: end, link }
}

async function until (isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await turn()
}

const textOf = ({ reads }: ServerEnd): string => Buffer.concat(reads).toString()

/** Time in which what is not to happen would have happened. */
async function aWhile (): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 60))
}

t.test('without faults bytes and ends pass, each way by itself', async (t) => {
  const { client, server, link } = await open(t)
  client.write('up')
  server.socket.write('down')
  await client.until(({ text }) => text === 'down')
  await until(() => textOf(server) === 'up')
  client.end()
  await until(() => server.ending === 'fin')
  server.socket.end('more')
  t.equal(await client.untilEnd(), 'fin')
  t.equal(client.text, 'downmore')
  t.same([link.up.received, link.up.forwarded, link.down.forwarded], [2, 2, 8])
})

t.test('a large message passes whole', async (t) => {
  const { client, server } = await open(t)
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, n) => n % 251))
  client.write(bytes)
  client.end()
  await until(() => server.ending !== undefined)
  t.ok(Buffer.concat(server.reads).equals(bytes))
})

t.test('a reset passes, either way', async (t) => {
  const one = await open(t)
  one.client.reset()
  await until(() => one.server.ending === 'reset')
  const other = await open(t)
  other.server.socket.resetAndDestroy()
  t.equal(await other.client.untilEnd(), 'error')
})

t.test('stop holds bytes and ends back, resume lets them go', async (t) => {
  const { client, server, link } = await open(t)
  link.stop()
  client.write('up')
  client.end()
  server.socket.write('down')
  await aWhile()
  t.same([textOf(server), server.ending, client.text, client.ending], ['', undefined, '', undefined])
  t.notOk(link.isGone('client') || link.isGone('server'))
  link.resume()
  await client.until(({ text }) => text === 'down')
  await until(() => textOf(server) === 'up' && server.ending === 'fin')
})

t.test('stop holds the sender back: more than the kernel keeps is not read', async (t) => {
  const { client, link } = await open(t)
  link.stop('up')
  client.write(Buffer.alloc(64 * 1024 * 1024))
  await aWhile()
  t.ok(client.socket.writableLength > 0)
})

t.test('stop of one way leaves the other', async (t) => {
  const { client, server, link } = await open(t)
  link.stop('up')
  client.write('up')
  server.socket.write('down')
  await client.until(({ text }) => text === 'down')
  await aWhile()
  t.equal(textOf(server), '')
})

t.test('discard takes the bytes and tells nobody, not of the end either', async (t) => {
  const { client, server, link } = await open(t)
  link.inject('discard', 'up')
  client.write(Buffer.alloc(8 * 1024 * 1024))
  // A RST that is there with the last bytes looks like a FIN to Node.
  await until(() => link.up.received === 8 * 1024 * 1024)
  client.reset()
  await link.untilGone('client')
  await aWhile()
  t.same([textOf(server), server.ending, link.isGone('server')], ['', undefined, false])
})

for (const { fault, client, server } of [
  { fault: 'reset', client: 'error', server: 'reset' },
  { fault: 'resetClient', client: 'error', server: undefined },
  { fault: 'resetServer', client: undefined, server: 'reset' },
  { fault: 'end', client: undefined, server: 'fin' },
  { fault: 'stop', client: undefined, server: undefined },
  { fault: 'discard', client: undefined, server: undefined }
] as const) {
  // A client that is reset at once may never have been connected.
  for (const bytes of client === 'error' ? [1, 3, 6] : [0, 3, 6]) {
    t.test(`${fault} after ${bytes} bytes up`, async (t) => {
      const through = await open(t, { up: { after: { bytes, fault } } })
      through.client.write('abcdef')
      await until(() => textOf(through.server).length === bytes && through.client.ending === client && through.server.ending === server)
      await aWhile()
      t.equal(textOf(through.server), 'abcdef'.slice(0, bytes))
      t.same([through.client.ending, through.server.ending], [client, server])
    })
  }
}

t.test('a fault counts bytes over several writes', async (t) => {
  const { client, server } = await open(t, { down: { after: { bytes: 5, fault: 'end' } } })
  server.socket.write('abc')
  await client.until(({ text }) => text === 'abc')
  server.socket.write('defg')
  t.equal(await client.untilEnd(), 'fin')
  t.equal(client.text, 'abcde')
})

t.test('cuts and pieces arrive in reads of their own', async (t) => {
  const cut = await open(t, { up: { cutAt: [1, 4] } })
  cut.client.write('abcdef')
  await until(() => textOf(cut.server) === 'abcdef')
  t.same(cut.server.reads.map(String), ['a', 'bcd', 'ef'])
  const pieces = await open(t, { up: { pieceSize: 1 } })
  pieces.client.write('abc')
  await until(() => textOf(pieces.server) === 'abc')
  t.same(pieces.server.reads.map(String), ['a', 'b', 'c'])
})

t.test('delay lets nothing through early, keeps the order, and the end behind it', async (t) => {
  const { client, server, link } = await open(t, { up: { delay: 100 } })
  const start = performance.now()
  client.write('a')
  await until(() => link.up.received === 1)
  link.up.options = { delay: 0 }
  client.write('b')
  client.end()
  await until(() => server.ending === 'fin')
  t.ok(performance.now() - start >= 99)
  t.equal(textOf(server), 'ab')
})

t.test('chunks that are delayed travel together', async (t) => {
  const { client, server, link } = await open(t, { up: { delay: 300 } })
  const start = performance.now()
  for (let n = 1; n <= 10; n++) {
    client.write('a')
    await until(() => link.up.received === n)
  }
  await until(() => textOf(server).length === 10)
  t.ok(performance.now() - start < 2_000)
})

t.test('a throttled way takes its time', async (t) => {
  const { client, server } = await open(t, { up: { bytesPerSecond: 5_000 } })
  const start = performance.now()
  client.write(Buffer.alloc(1_000))
  await until(() => textOf(server).length === 1_000)
  t.ok(performance.now() - start >= 150)
  t.ok(server.reads.length > 1)
})
