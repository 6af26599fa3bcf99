// What the package test runs on every Node with the installed package: real routes, real connections. Prints what it saw.
import { once } from 'node:events'
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'

const Said = Type.Object({ type: Type.Literal('said'), text: Type.String() })

/**
 * Serves a raw and a typed route and talks to both.
 *
 * @param plugin - what `fastify.register` is given
 */
export async function smoke (plugin, { defineWebSocket }) {
  const app = Fastify()
  await app.register(plugin, { maxPayload: 1024 })
  app.get('/raw', { websocket: true }, (connection) => {
    connection.on('message', (message, isBinary) => connection.send(isBinary ? message : message.toUpperCase()))
  })
  const typed = defineWebSocket(Object.freeze({ url: '/typed', schema: Object.freeze({ websocket: { receive: Said, send: Said } }) }))
  app.route({ ...typed, handler: (connection) => connection.on('message:said', ({ text }) => connection.send({ type: 'said', text: `${text}!` })) })
  app.get('/rest', async () => 'rest')

  const seen = { injected: await talkInjected(app) }
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  if (typeof WebSocket === 'function') seen.native = await talkNative(`ws://127.0.0.1:${port}`)
  seen.rest = await (await fetch(`http://127.0.0.1:${port}/rest`)).text()
  seen.upgradeRequired = (await fetch(`http://127.0.0.1:${port}/raw`)).status
  await app.close()
  return seen
}

async function talkInjected (app) {
  const answers = []
  for (const [path, message] of [['/raw', 'text'], ['/raw', Buffer.from('bytes')], ['/typed', '{"type":"said","text":"hi"}']]) {
    const client = await app.injectWS(path)
    client.send(message)
    const [answer] = await once(client, 'message')
    answers.push(String(answer))
    client.close(1000)
    await once(client, 'close')
  }
  const invalid = await app.injectWS('/typed')
  invalid.send('{"type":"said"}')
  const [code] = await once(invalid, 'close')
  return [...answers, code]
}

async function talkNative (url) {
  const answers = []
  for (const [path, message] of [['/raw', 'text'], ['/raw', new Uint8Array([98, 121, 116, 101, 115])], ['/typed', '{"type":"said","text":"hi"}']]) {
    const socket = new WebSocket(url + path)
    socket.binaryType = 'arraybuffer'
    await heard(socket, 'open')
    socket.send(message)
    const { data } = await heard(socket, 'message')
    answers.push(typeof data === 'string' ? data : Buffer.from(data).toString())
    socket.close(1000)
    await heard(socket, 'close')
  }
  const invalid = new WebSocket(`${url}/typed`)
  await heard(invalid, 'open')
  invalid.send('{"type":"said"}')
  const { code } = await heard(invalid, 'close')
  return [...answers, code]
}

// once() of node:events takes an EventTarget too, but its `error` events are not rejections there.
function heard (socket, type) {
  return new Promise((resolve, reject) => {
    socket.addEventListener(type, resolve, { once: true })
    socket.addEventListener('error', () => reject(new Error(`error instead of ${type}`)), { once: true })
  })
}
