// The server's process ends under load, at moments that nobody chose: by SIGKILL, and by SIGTERM as at every deployment.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { seededRandom } from '../conformance/fuzz.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import { closeCodeOf, closePayload, encodeFrame } from '../helpers/wire-frames.ts'
import { forkPlain } from '../helpers/fork-plain.ts'

t.setTimeout(120_000)

const seed = Number(process.env.KILL_SEED ?? 6455)
const random = seededRandom(seed)
t.comment(`KILL_SEED=${seed}`)

const PATHS = ['/raw', '/pulled', '/async', '/stream', '/slow', '/firehose', '/deaf'] as const
const CLIENTS = 70

/** Starts the server, again on the same port; resolves when it listens. */
async function start (port: number): Promise<{ child: ChildProcess, port: number, exited: Promise<unknown[]> }> {
  const child = forkPlain(new URL('./kill-server.js', import.meta.url), [String(port)])
  t.teardown(() => { child.kill('SIGKILL') })
  const exited = once(child, 'exit')
  const [message] = await Promise.race([once(child, 'message'), exited.then(([code]) => { throw new Error(`the server ended with ${String(code)}`) })])
  return { child, port: (message as { port: number }).port, exited }
}

/** Talks until there is an end, and answers Close if it is polite. */
async function talk (client: FrameClient, isPolite: boolean): Promise<void> {
  const message = encodeFrame({ opcode: 1, payload: 'x'.repeat(random(3_000)) })
  while (!client.isOver) {
    await client.write(message)
    await new Promise((resolve) => setTimeout(resolve, random(10)))
  }
  if (isPolite && client.ending === undefined) await client.write(encodeFrame({ opcode: 8, payload: closePayload(1001) }))
  await client.untilEnd()
}

let port = 0
for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
  t.test(`T55 T59 ${signal} under load: every client sees an end, and the port serves again`, async (t) => {
    const server = await start(port)
    port = server.port
    const clients: FrameClient[] = []
    const talks: Array<Promise<void>> = []
    let isKilled = false
    const opened = Promise.all(Array.from({ length: CLIENTS }, async (_, n) => {
      try {
        const client = await openFrames({ port, path: PATHS[n % PATHS.length] ?? '/raw', deadline: 30_000, answersPings: true })
        clients.push(client)
        talks.push(talk(client, n % 2 === 0))
      } catch (error) {
        // A client that was too late.
        if (!isKilled) throw error
      }
    }))
    // In the handshakes of some, or when all talk.
    if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(30)))
    else await opened.then(() => new Promise((resolve) => setTimeout(resolve, random(300))))
    isKilled = true
    const killedAt = performance.now()
    server.child.kill(signal)
    const [code, by] = await server.exited
    t.same([code, by], signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null])
    t.ok(performance.now() - killedAt < 5_000, `ended in ${Math.round(performance.now() - killedAt)} ms`)
    await opened
    await Promise.all(talks)
    t.same(clients.filter(({ ending }) => ending === 'deadline').length, 0, `all ${clients.length} have seen the end`)
    t.same(clients.filter(({ fault }) => fault !== undefined), [], 'and no bad frame')
    if (signal === 'SIGTERM') {
      const told = clients.filter(({ closeFrame }) => closeFrame !== undefined && closeCodeOf(closeFrame.payload) === 1001)
      t.equal(told.length, clients.length, 'each was told 1001')
    }
  })
}

t.test('T59 and after all that it works', async (t) => {
  const server = await start(port)
  t.equal(server.port, port)
  const client = await openFrames({ port, path: '/raw' })
  await client.write(encodeFrame({ opcode: 1, payload: 'still here' }))
  while (!client.frames.some(({ payload }) => payload.toString() === 'still here') && !client.isOver) await client.untilFrames(client.frames.length + 1)
  await client.write(encodeFrame({ opcode: 8, payload: closePayload(1000) }))
  t.equal(await client.untilEnd(), 'fin')
  server.child.kill('SIGTERM')
  t.same(await server.exited, [0, null])
})
