// Header fields that the application makes of what it was given (T35): whatever stands in them, nothing but what they say goes on
// the wire, and the connection is not left hanging.
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import type { WebSocketPluginOptions } from '../../lib/index.ts'
import { makeApp } from '../helpers/app.ts'
import '../helpers/guard.ts'
import { handshake } from '../helpers/raw-client.ts'

const EVIL: ReadonlyArray<[name: string, text: string]> = [
  ['CR LF', 'chat\r\nx-injected: 1'],
  ['CR', 'chat\rx-injected: 1'],
  ['LF', 'chat\nx-injected: 1'],
  ['NUL', 'chat\0'],
  ['DEL', 'chat\x7f'],
  ['beyond latin1', 'chat\u0100'],
  ['what would be CR LF in latin1', 'chat\u560d\u560ax-injected: 1'],
  ['an emoji', '\u{1f600}']
]

for (const [name, text] of EVIL) {
  t.test(`T35 ${name} in the option protocols`, async (t) => {
    const { app } = await makeApp(t)
    const refusal = { code: 'FST_WS_INVALID_OPTION', message: /^invalid option "protocols" of / } as unknown as Error
    for (const protocols of [[text], ['chat', text]]) {
      t.throws(() => app.get('/ws', { websocket: { protocols } }, () => {}), refusal)
      await t.rejects(makeApp(t, { plugin: { protocols } }), refusal)
    }
  })
}

interface Row {
  readonly name: string
  readonly plugin?: (text: string) => WebSocketPluginOptions
  /** For the route's hook. */
  readonly hook?: (text: string, request: FastifyRequest, reply: FastifyReply) => unknown
  readonly onSend?: (text: string, reply: FastifyReply) => void
}

/** Where text of the application's comes near the head of an answer. */
const ROWS: readonly Row[] = [
  { name: 'a subprotocol chosen by a function', plugin: (text) => ({ protocols: () => text }) },
  { name: 'a subprotocol chosen by an async function', plugin: (text) => ({ protocols: async () => text }) },
  { name: 'a subprotocol chosen by handleProtocols', plugin: (text) => ({ options: { handleProtocols: () => text } }) },
  { name: 'a header of a refusal', hook: (text, _request, reply) => reply.code(401).header('www-authenticate', text).send({ error: 'no' }) },
  { name: 'a header of an error', hook: (text) => { throw Object.assign(new Error('no'), { statusCode: 401, headers: { 'www-authenticate': text } }) } },
  { name: 'a redirection', hook: (text, _request, reply) => reply.redirect(`/login?${text}`) },
  { name: 'a header of verifyClient', plugin: (text) => ({ options: { verifyClient: (_info, done) => { done(false, 401, 'no', { 'www-authenticate': text }) } } }) },
  { name: 'a header of the 101', hook: (text, _request, reply) => { reply.header('x-of-hook', text) } },
  { name: 'a header of the 101, by an onSend hook', onSend: (text, reply) => { reply.header('x-of-hook', text) } }
]

for (const { name, plugin, hook, onSend } of ROWS) {
  t.test(`T35 ${name}`, async (t) => {
    for (const [evil, text] of EVIL) {
      const { app, listen, open } = await makeApp(t, { plugin: plugin?.(text) ?? {} })
      if (hook !== undefined) app.addHook('preHandler', async (request, reply) => request.ws ? hook(text, request, reply) : undefined)
      if (onSend !== undefined) app.addHook('onSend', async (_request, reply) => { if (reply.statusCode === 101) onSend(text, reply) })
      app.get('/ws', { websocket: true }, () => { t.fail('reached') })
      await listen()
      const client = await open()
      client.write(handshake('/ws', ['Sec-WebSocket-Protocol: chat']))
      await client.untilEnd()
      t.notOk(/^HTTP\/1\.1 101|[\r\n]x-injected|\0/i.test(client.text), `${evil}: ${client.text.slice(0, 200)}`) // eslint-disable-line no-control-regex
      t.ok(client.answers.length <= 1, evil)
      t.equal((await app.inject('/ws')).statusCode, 426, 'the process goes on')
    }
  })
}

t.test('T35 what may stand in a field may stand in these', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.addHook('preHandler', async (_request, reply) => { reply.header('x-of-hook', 'a tab\tand more') })
  app.get('/ws', { websocket: { protocols: ['chat'] } }, (connection) => { connection.close() })
  app.get('/refused', { websocket: true, preHandler: async (_request, reply) => reply.code(401).send('no') }, () => {})
  await listen()
  for (const [path, statusCode] of [['/ws', 101], ['/refused', 401]] as const) {
    const client = await open()
    client.write(handshake(path, ['Sec-WebSocket-Protocol: chat']))
    const [answer] = await client.untilAnswers(1)
    t.equal(answer?.statusCode, statusCode)
    t.equal(answer?.headers['x-of-hook'], 'a tab\tand more')
  }
})
