import { once } from 'node:events'
import t from 'tap'
import { MemorySocket } from '../../lib/plugin/memory-socket.ts'

t.test('bytes go both ways, and the address is the server\'s to see', async (t) => {
  const { client, server } = MemorySocket.pair('203.0.113.7')
  t.equal(server.remoteAddress, '203.0.113.7')
  t.equal(client.remoteAddress, undefined)
  client.write('to the server')
  t.equal(String((await once(server, 'data'))[0]), 'to the server')
  server.write('to the client')
  t.equal(String((await once(client, 'data'))[0]), 'to the client')
})

t.test('end is heard of without a reader, and half-closes', async (t) => {
  const { client, server } = MemorySocket.pair('')
  const ended = once(server, 'end')
  client.end()
  await ended
  t.equal(server.destroyed, false)
  server.end('answer')
  t.equal(String((await once(client, 'data'))[0]), 'answer')
  await Promise.all([once(client, 'close'), server.resume()])
})

t.test('destroy is heard of behind the bytes before it', async (t) => {
  const { client, server } = MemorySocket.pair('')
  client.write('last', () => client.destroy())
  const chunks: string[] = []
  for await (const chunk of server) chunks.push(String(chunk))
  t.same(chunks, ['last'])
  const lost = MemorySocket.pair('')
  lost.server.destroy()
  lost.client.resume()
  await once(lost.client, 'end')
  // As a network does for a while: taken, and lost.
  await new Promise<void>((resolve) => lost.client.write('x', () => resolve()))
})

t.test('a writer is held back while nobody reads', async (t) => {
  const { client, server } = MemorySocket.pair('')
  let taken = 0
  const chunk = Buffer.alloc(1_000)
  for (let n = 0; n < 1_000; n++) client.write(chunk, () => { taken++ })
  for (let n = 0; n < 1_000; n++) await new Promise((resolve) => setImmediate(resolve))
  t.ok(taken < 100, `${taken} KB on the way`)
  let got = 0
  server.on('data', (bytes: Buffer) => { got += bytes.length })
  client.end()
  await once(server, 'end')
  t.equal(got, 1_000_000)
})

t.test('a writer that was held back goes on when the reader destroys its end', async (t) => {
  const { client, server } = MemorySocket.pair('')
  let taken = 0
  for (let n = 0; n < 100; n++) server.write(Buffer.alloc(10_000), () => { taken++ })
  for (let n = 0; n < 100; n++) await new Promise((resolve) => setImmediate(resolve))
  t.ok(taken < 20, `${taken} of 100`)
  client.destroy()
  for (let n = 0; n < 1_000 && taken < 100; n++) await new Promise((resolve) => setImmediate(resolve))
  t.equal(taken, 100, 'taken, and lost')
})
