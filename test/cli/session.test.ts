// A session against a real server: raw messages, its end, coming back.
import t from 'tap'
import { Arguments } from '../../lib/cli/arguments.ts'
import { Session } from '../../lib/cli/session.ts'
import { readTarget } from '../../lib/cli/target.ts'
import { serveEcho } from '../helpers/echo-app.ts'

function toTarget (url: string, values: Record<string, string | boolean> = {}): ReturnType<typeof readTarget> {
  return readTarget(new Arguments(values, [url]))
}

t.test('what was sent before it closes is still answered, and control messages are messages', async (t) => {
  const { url } = await serveEcho(t)
  const heard: unknown[] = []
  const session = new Session(toTarget(`${url}/echo`), { onMessage: (data) => heard.push(data) })
  await t.rejects(session.send('too early'), { code: 'FST_WS_CLIENT_CLOSED' })
  await session.opened
  t.ok(session.isOpen)
  void session.send('{"type":"ws:ack","id":0}')
  void session.send('last')
  session.close()
  session.close()
  t.match(await session.closed, { code: 1000, wasClean: true, initiator: 'local' })
  t.strictSame(heard, ['{"type":"ws:ack","id":0}', 'last'])
  await t.rejects(session.send('late'))
})

t.test('a slash at the end of a path stays', async (t) => {
  const { url } = await serveEcho(t)
  const heard: unknown[] = []
  const session = new Session(toTarget(`${url}/echo/`), { onMessage: (data) => heard.push(data) })
  await session.opened
  await session.send('x')
  session.close()
  await session.closed
  t.strictSame(heard, ['with a slash'])
})

t.test('a ping tells how long its answer took', async (t) => {
  const { url } = await serveEcho(t)
  const session = new Session(toTarget(`${url}/echo`), { onMessage () {} })
  await session.opened
  const latency = await new Promise<number>((resolve) => session.ping(resolve))
  t.ok(latency > 0 && latency < 5_000, `${latency} ms`)
  session.close()
  await session.closed
})

t.test('refused, it ends', async (t) => {
  const { url } = await serveEcho(t)
  const session = new Session(toTarget(`${url}/refuse`, { reconnect: true }), { onMessage () {} })
  await t.rejects(session.opened, { code: 'FST_WS_CLIENT_REFUSED' })
  t.match(await session.closed, { code: 1006, error: { statusCode: 401 } })
})

t.test('it comes back only where that was asked for, and not from its own close', async (t) => {
  const { url } = await serveEcho(t)
  for (const reconnect of [false, true]) {
    let opened = 0
    const session: Session = new Session(toTarget(`${url}/cut`, { reconnect }), {
      onMessage () {},
      onOpen: () => opened++ === 0 ? session.send('cut me').catch(() => {}) : session.close()
    })
    const end = await session.closed
    t.equal(opened, reconnect ? 2 : 1)
    t.equal(end.code, reconnect ? 1000 : 1006)
  }
})

t.test('aborted while it connects, and closed', async (t) => {
  const { url } = await serveEcho(t)
  const closed = new Session(toTarget(url), { onMessage () {} })
  closed.close()
  t.match(await closed.closed, { code: 1000, initiator: 'local' })
  const aborted = new Session(toTarget(url), { onMessage () {} })
  aborted.abort()
  t.match(await aborted.closed, { code: 1006, initiator: 'local' })
})
