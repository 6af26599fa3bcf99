// The package is imported after the instance was made, so nothing here may import it statically.
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import type {} from '../../types/index.ts'
import { RawClient, handshake } from '../helpers/raw-client.ts'

t.test('an instance that is older than the package', async (t) => {
  const logs: string[] = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { logs.push(line) } } } })
  t.teardown(() => app.close())
  app.get('/early', { websocket: true }, () => { t.fail('reached') })
  app.get('/rest', async () => { t.fail('reached') })
  await app.register(import('../../lib/index.ts'))
  app.get('/late', { websocket: true }, (connection) => { connection.send('late') })
  app.register(async (child) => {
    child.get('/child', { websocket: true }, (connection) => { connection.send('child') })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo

  for (const [path, statusCode] of [['/late', 101], ['/child', 101], ['/early', 404], ['/rest', 404]] as const) {
    const client = await RawClient.connect(port)
    t.teardown(() => client.destroy())
    client.write(handshake(path))
    t.match(await client.untilAnswers(1), [{ statusCode }], path)
  }
  t.equal(logs.length, 2)
  t.match(logs[0], /HTTP route \/early\. If it was declared with `websocket: true`.*import the package before Fastify\(\) is called/)

  const second = Fastify()
  t.teardown(() => second.close())
  second.register(import('../../lib/index.ts'))
  second.get('/early', { websocket: true }, () => {})
  await second.ready()
  t.ok(await second.injectWS('/early'), 'an instance that is younger')
})
