import t from 'tap'
import type { Connection } from '../../lib/connection/connection.ts'
import { Hub } from '../../lib/hub/hub.ts'

/** As much of a Connection as a hub looks at. */
class FakeConnection {
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readyState = 1
  bufferedAmount = 5
  readonly calls: unknown[] = []
  tellsEnd = true
  readonly #hub: Hub

  constructor (hub: Hub) {
    this.#hub = hub
  }

  closeAfterDelivery (...args: unknown[]): void {
    this.calls.push(['close', ...args])
    this.readyState = 2
  }

  /** As when a handler is still at work: `close` comes in its own time. */
  terminate (): void {
    this.calls.push(['terminate'])
    this.readyState = 3
    if (this.tellsEnd) setImmediate(() => this.leave())
  }

  leave (): void {
    this.readyState = 3
    this.#hub.remove(this.asConnection)
  }

  /** A hub takes it for a real one. */
  get asConnection (): Connection {
    return this as unknown as Connection
  }
}

const group = {}
const PATIENT = { timeout: 60_000, stagger: 0, tells: true }

t.test('connections are there until they have closed', async (t) => {
  const hub = new Hub(100)
  const [a, b] = [new FakeConnection(hub), new FakeConnection(hub)]
  hub.add(a.asConnection, group)
  hub.add(b.asConnection, group)
  const { connections } = hub
  t.equal(connections.size, 2)
  t.same([...connections], [a, b])
  t.same([...connections.values()], [a, b])
  const seen: unknown[] = []
  connections.forEach((connection) => seen.push(connection))
  t.same(seen, [a, b])
  t.equal(connections.has(a), true)
  a.leave()
  t.equal(connections.has(a), false)
  t.equal(connections.has('x'), false)
  t.same([...connections], [b])
  t.same(['add', 'delete', 'clear'].filter((name) => name in connections), [], 'nobody else may write')
})

t.test('close tells all of them to go, and waits', async (t) => {
  const hub = new Hub(60_000)
  const [a, b] = [new FakeConnection(hub), new FakeConnection(hub)]
  hub.add(a.asConnection, group)
  hub.add(b.asConnection, group)
  b.readyState = 2
  let isDone = false
  const closed = hub.close().then(() => { isDone = true })
  t.equal(hub.isClosing, true)
  t.same(a.calls, [['close', 1001, 'the server is closing']])
  t.same(b.calls, [], 'it is on its way already')
  a.leave()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(isDone, false)
  b.leave()
  await closed
  const late = new FakeConnection(hub)
  hub.add(late.asConnection, group)
  t.same(late.calls, [['close', 1001, 'the server is closing']])
  late.leave()
})

t.test('what is left after the deadline is destroyed', async (t) => {
  const hub = new Hub(20)
  const [a, b] = [new FakeConnection(hub), new FakeConnection(hub)]
  hub.add(a.asConnection, group)
  hub.add(b.asConnection, group)
  const closed = hub.close()
  b.leave()
  await closed
  t.same(a.calls.slice(1), [['terminate']])
  t.same(b.calls.slice(1), [])
  t.equal(hub.connections.size, 0, 'its close event has come')
})

t.test('a connection whose close event does not come is no longer counted in the end', async (t) => {
  const hub = new Hub(20)
  const connection = new FakeConnection(hub)
  connection.tellsEnd = false
  hub.add(connection.asConnection, group)
  await hub.close()
  t.same(connection.calls.slice(1), [['terminate']])
  t.equal(hub.connections.size, 0)
})

t.test('one group goes, the others stay', async (t) => {
  const hub = new Hub(60_000)
  const [a, b] = [new FakeConnection(hub), new FakeConnection(hub)]
  const other = {}
  hub.add(a.asConnection, group)
  hub.add(b.asConnection, other)
  const ending = hub.end(PATIENT, group)
  t.equal(hub.end(PATIENT, group), ending, 'begun once')
  t.equal(a.calls.length, 1)
  t.equal(b.calls.length, 0)
  a.leave()
  await ending.whenOver()
  t.equal(hub.isClosing, false)
  await hub.end(PATIENT, {}).whenOver()
  t.equal(hub.connections.size, 1)
})

t.test('somebody else says goodbye', async (t) => {
  const hub = new Hub(0)
  const connection = new FakeConnection(hub)
  hub.add(connection.asConnection, group)
  await hub.end({ timeout: 10, stagger: 0, tells: false }, group).whenOver()
  t.same(connection.calls, [['terminate']])
})

t.test('one that opens while its group ends has the same deadline', async (t) => {
  const hub = new Hub(60_000)
  hub.stopAccepting()
  const ending = hub.end({ timeout: 30, stagger: 0, tells: true }, group)
  await ending.whenOver()
  const [late, other] = [new FakeConnection(hub), new FakeConnection(hub)]
  hub.add(late.asConnection, group)
  hub.add(other.asConnection, {})
  t.same(late.calls, [['close', 1001, 'the server is closing']])
  await ending.whenOver()
  t.same(late.calls.slice(1), [['terminate']])
  t.same(other.calls, [['close', 1001, 'the server is closing']])
})

t.test('close twice', async (t) => {
  const hub = new Hub(60_000)
  const connection = new FakeConnection(hub)
  hub.add(connection.asConnection, group)
  const closed = [hub.close(), hub.close()]
  connection.leave()
  await Promise.all(closed)
  t.same(connection.calls, [['close', 1001, 'the server is closing']])
})

t.test('metrics', async (t) => {
  const hub = new Hub(100)
  const [a, b] = [new FakeConnection(hub), new FakeConnection(hub)]
  hub.add(a.asConnection, group)
  hub.add(b.asConnection, group)
  a.leave()
  t.match(hub.metrics(), { active: 1, opened: 2, pending: 0, buffered: 5 })
  hub.pendingHandshakes = () => 3
  t.equal(hub.metrics().pending, 3)
})
