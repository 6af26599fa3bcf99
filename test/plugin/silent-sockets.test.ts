import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { SilentSockets, forgetSocket } from '../../lib/plugin/silent-sockets.ts'
import { cert, key } from '../helpers/certificate.ts'
import { RawClient, handshake, head } from '../helpers/raw-client.ts'

async function start (t: Test) {
  const server = createServer()
  const silent = new SilentSockets(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return {
    server,
    silent,
    async open () {
      const accepted = once(server, 'connection')
      const client = await RawClient.connect((server.address() as AddressInfo).port) // of a TCP server it is no string
      t.teardown(() => client.destroy())
      await accepted
      return client
    }
  }
}

t.test('silent sockets are destroyed, and those that come later', async (t) => {
  const { silent, open } = await start(t)
  const [nothing, half] = [await open(), await open()]
  half.write('GET / HT')
  silent.destroy()
  await nothing.untilEnd()
  await half.untilEnd()
  const late = await open()
  await late.untilEnd()
})

t.test('one that is answered goes when the answer is out', async (t) => {
  const { server, silent, open } = await start(t)
  const client = await open()
  client.write(head('GET / HTTP/1.1', ['Host: localhost']))
  const [, response] = await once(server, 'request') as [unknown, ServerResponse]
  silent.destroy()
  response.setHeader('Content-Length', 4)
  response.end('done')
  t.equal((await client.untilAnswers(1))[0]?.body, 'done')
  t.equal(await client.untilEnd(), 'fin')
})

t.test('an upgraded one is its owner\'s, unless that has ended it', async (t) => {
  const { server, silent, open } = await start(t)
  const [kept, ended] = [await open(), await open()]
  for (const client of [kept, ended]) {
    client.write(handshake('/'))
    const [, socket] = await once(server, 'upgrade')
    if (client === ended) socket.end()
    else t.teardown(() => socket.destroy())
  }
  silent.destroy()
  await ended.untilEnd()
  await ended.until(({ socket }) => socket.readableEnded).catch(() => {})
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(kept.ending, undefined)
})

t.test('TLS that has not been agreed on', async (t) => {
  const server = createTlsServer({ key, cert })
  const silent = new SilentSockets(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo // as above
  const secured = once(server, 'secureConnection')
  const agreed = await RawClient.connect(port, { tls: true })
  const [socket] = await secured
  forgetSocket(server, socket)
  const accepted = once(server, 'connection')
  const nothing = await RawClient.connect(port)
  await accepted
  const failed = await RawClient.connect(port)
  const error = once(server, 'tlsClientError')
  failed.write('GET / HTTP/1.1\r\n\r\n')
  await error
  await failed.untilEnd()
  silent.destroy()
  await nothing.untilEnd()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(agreed.ending, undefined)
  const late = await RawClient.connect(port)
  await late.untilEnd()
  agreed.destroy()
})

t.test('one that is forgotten is left alone', async (t) => {
  const { server, silent, open } = await start(t)
  const sockets: unknown[] = []
  server.on('connection', (socket) => sockets.push(socket))
  const [client] = [await open(), await open()]
  const [socket] = sockets
  forgetSocket(server, socket)
  forgetSocket(server, socket)
  silent.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(client.ending, undefined)
  forgetSocket({}, socket)
})

t.test('few are kept of those that have closed, however many come and go', async (t) => {
  const { server, silent } = await start(t)
  const own = server.listeners('connection').at(1)!
  let kept = 0
  const add = (destroyed: boolean): void => {
    // The parser tells that it is silent: then it is destroyed.
    own.call(server, { destroyed, writableEnded: false, parser: {}, destroy () { kept++ } })
  }
  for (let n = 0; n < 100; n++) add(false)
  for (let n = 0; n < 1_000; n++) add(true)
  silent.destroy()
  t.ok(kept >= 100 && kept <= 256, `${kept} of 100 open ones and 1,000 that have closed`)
})

t.test('a socket that the server is told of twice is kept once', async (t) => {
  const { server, silent } = await start(t)
  const own = server.listeners('connection').at(1)!
  let destroyed = 0
  const socket = { destroyed: false, writableEnded: false, parser: {}, destroy () { destroyed++ } }
  own.call(server, socket)
  own.call(server, socket)
  silent.destroy()
  t.equal(destroyed, 1)
})

t.test('end lets go of the server', async (t) => {
  const { server, silent, open } = await start(t)
  const count = server.listenerCount('connection')
  silent.end()
  t.equal(server.listenerCount('connection'), count - 1)
  const client = await open()
  silent.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(client.ending, undefined)
})
