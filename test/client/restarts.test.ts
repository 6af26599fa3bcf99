// The client against the real control route, through the sudden ends of its server; on the other versions of Node as well, by
// test/package.
import '../helpers/guard.ts'
import t from 'tap'
import type { Test } from 'tap'
import { connect } from '../../lib/client/node.ts'
import type { ClientError, ClientSocket, Published } from '../../lib/client/node.ts'
import { until } from '../helpers/app.ts'
import { kept, route, TopicServer } from '../helpers/topic-server.ts'

type Socket = ClientSocket<typeof route>

function open (t: Test, { url }: TopicServer): Socket {
  const socket = connect(route, { baseUrl: url, reconnect: { minDelay: 1, maxDelay: 20 } })
  t.teardown(async () => {
    socket.close()
    await socket.closed
  })
  return socket
}

/** One attempt to publish: who, the how manieth message of theirs, the how manieth attempt. */
const nameOf = (who: string, n: number, attempt: number): string => `${who} ${String(n).padStart(4, '0')} ${attempt}`

class Publisher {
  readonly acknowledged: string[] = []
  /** Whether they arrived nobody knows: each was tried again. */
  readonly uncertain: string[] = []
  readonly places: Published[] = []
  isOver = false
  readonly #who: string
  readonly #socket: Socket

  constructor (who: string, socket: Socket) {
    this.#who = who
    this.#socket = socket
  }

  /** Publishes one after the other, each until it is acknowledged. */
  async run (t: Test): Promise<void> {
    for (let n = 0; !this.isOver; n++) {
      for (let attempt = 0; ; attempt++) {
        const name = nameOf(this.#who, n, attempt)
        try {
          this.places.push(await this.#socket.publish(kept, { room: 'a' }, name))
          this.acknowledged.push(name)
          break
        } catch (error) {
          if ((error as ClientError).code !== 'FST_WS_CLIENT_LOST' || !(error as ClientError).sent) t.fail(String(error))
          this.uncertain.push(name)
        }
      }
    }
  }
}

t.test('ten sudden restarts: what was acknowledged is neither lost nor seen twice, and in order', async (t) => {
  const server = await TopicServer.start(t)
  const [listener, a, b] = [open(t, server), open(t, server), open(t, server)]
  const publishers = [new Publisher('a', a), new Publisher('b', b)]
  const [first, second] = publishers as [Publisher, Publisher]
  let lost = 0
  const heard = await Promise.all([listener, a, b].map(async (socket) => {
    const names: string[] = []
    socket.on('lost', () => { lost++ })
    await socket.subscribe(kept, { room: 'a' }, (name) => { names.push(name as string) })
    return names
  }))
  const running = Promise.all(publishers.map((publisher) => publisher.run(t)))
  for (let n = 0; n < 10; n++) {
    const [before, known] = [first.acknowledged.length, second.acknowledged.length]
    // In the midst of a message: before the engine takes it, before it is acknowledged, and whenever it may be.
    const dead = new Promise<void>((resolve) => {
      const die = (): void => {
        server.engine.onTake = server.engine.onTaken = () => {}
        server.cut()
        resolve()
      }
      if (n % 3 === 0) server.engine.onTake = die
      else if (n % 3 === 1) server.engine.onTaken = die
      else die()
    })
    await dead
    await server.restart()
    await until(() => first.acknowledged.length > before + 5 && second.acknowledged.length > known + 5)
    await listener.opened
  }
  first.isOver = second.isOver = true
  await running
  const all = new Set(publishers.flatMap(({ acknowledged }) => acknowledged))
  const isAcknowledged = (name: string): boolean => all.has(name)
  await until(() => heard[0]!.filter(isAcknowledged).length >= all.size)
  t.comment(`${all.size} acknowledged, ${first.uncertain.length + second.uncertain.length} not known`)

  const [told, ...own] = heard as [string[], string[], string[]]
  for (const { acknowledged } of publishers) t.strictSame(told.filter((name) => acknowledged.includes(name)), acknowledged, 'each once, in order')
  t.equal(new Set(told).size, told.length, 'nor is anything else seen twice')
  await until(() => own.every((names, i) => names.includes(publishers[1 - i]!.acknowledged.at(-1)!)))
  for (const [i, names] of own.entries()) {
    const { acknowledged } = publishers[1 - i]!
    t.strictSame(names.filter((name) => acknowledged.includes(name)), acknowledged, 'whoever publishes as well')
    t.equal(new Set(names).size, names.length)
  }
  for (const { places } of publishers) {
    t.equal(new Set(places.map(({ epoch }) => epoch)).size, 1)
    t.ok(places.every(({ offset = 0 }, i) => i === 0 || offset > (places[i - 1]?.offset ?? 0)), 'acknowledged by their places')
  }
  t.ok(first.uncertain.length + second.uncertain.length >= 7, 'it was in the midst of a message')
  t.equal(lost, 0)
})

t.test('what is under way when the connection breaks', async (t) => {
  const server = await TopicServer.start(t)
  const socket = open(t, server)
  const heard: number[] = []
  socket.on('message:noted', ({ n }) => { heard.push(n) })
  t.equal(await socket.request('double', 1), 2)
  server.onDouble = () => { server.cut(); return new Promise(() => {}) }
  await t.rejects(socket.request('double', 2), { name: 'ClientError', code: 'FST_WS_CLIENT_LOST', sent: true })
  server.onDouble = () => {}
  // Not handed to a connection yet, they go by the next one, in order.
  t.equal(socket.send({ type: 'note', n: 1 }), false)
  const waiting = socket.request('double', 3)
  t.equal(socket.queued, 2)
  t.equal(await waiting, 6)
  await until(() => heard.length === 1)
  t.strictSame(server.doubled, [1, 2, 3], 'what was sent is not sent again')
  server.engine.onTaken = () => server.cut()
  await t.rejects(socket.publish(kept, { room: 'b' }, 'once'), { code: 'FST_WS_CLIENT_LOST', sent: true })
  server.engine.onTaken = () => {}
  const { offset } = await socket.publish(kept, { room: 'b' }, 'again')
  t.equal(offset, 2, 'it had arrived')
})

t.test('presence and history through a restart', async (t) => {
  const server = await TopicServer.start(t)
  const [ann, ben] = [open(t, server), open(t, server)]
  const subscription = await ann.subscribe(kept, { room: 'a' }, undefined, { data: 'ann' })
  const { epoch = '' } = await ben.publish(kept, { room: 'a' }, 'first')
  const names = (): unknown[] => subscription.members.map(({ data }) => data).toSorted()
  t.strictSame(names(), ['ann'])
  await ben.subscribe(kept, { room: 'a' }, undefined, { data: 'ben' })
  await until(() => names().length === 2)
  await server.restart()
  await until(() => names().length === 2 && ann.state === 'open' && ben.state === 'open')
  t.strictSame(names(), ['ann', 'ben'])
  const late = open(t, server)
  const heard: unknown[] = []
  const recovered = new Promise((resolve) => { late.on('recovered', resolve) })
  await late.subscribe(kept, { room: 'a' }, (message) => { heard.push(message) }, { since: { epoch, offset: 0 } })
  t.equal(await recovered, 'kept/a')
  await until(() => heard.length === 1)
  t.strictSame(heard, ['first'])
})
