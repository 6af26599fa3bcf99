import { EventEmitter } from 'node:events'
import { mock } from 'node:test'
import t from 'tap'
import type { Connection } from '../../lib/connection/connection.ts'
import { Hub } from '../../lib/hub/hub.ts'

/** As much of a Connection as a hub looks at. */
class FakeConnection extends EventEmitter {
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readyState = 1
  readonly calls: unknown[] = []
  tellsEnd = true

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
    this.emit('close', 1000, '')
  }

  /** A hub takes it for a real one. */
  get asConnection (): Connection {
    return this as unknown as Connection
  }
}

const group = {}

t.test('connections are there until they have closed', async (t) => {
  const hub = new Hub(100)
  const [a, b] = [new FakeConnection(), new FakeConnection()]
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
  const [a, b] = [new FakeConnection(), new FakeConnection()]
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
  const late = new FakeConnection()
  hub.add(late.asConnection, group)
  t.same(late.calls, [['close', 1001, 'the server is closing']])
})

t.test('what is left after the deadline is destroyed', async (t) => {
  const hub = new Hub(20)
  const [a, b] = [new FakeConnection(), new FakeConnection()]
  hub.add(a.asConnection, group)
  hub.add(b.asConnection, group)
  const closed = hub.close()
  b.leave()
  await closed
  t.same(a.calls.slice(1), [['terminate']])
  t.same(b.calls.slice(1), [])
  t.equal(hub.connections.size, 0, 'its close event has come')
})

t.test('the close events of what was destroyed are waited for, a second at most', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const hub = new Hub(20)
  const connection = new FakeConnection()
  connection.tellsEnd = false
  hub.add(connection.asConnection, group)
  let isDone = false
  const closed = hub.close().then(() => { isDone = true })
  mock.timers.tick(20)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(connection.calls.slice(1), [['terminate']])
  mock.timers.tick(999)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(isDone, false)
  mock.timers.tick(1)
  await closed
})

t.test('one group goes, the others stay', async (t) => {
  const hub = new Hub(60_000)
  const [a, b] = [new FakeConnection(), new FakeConnection()]
  const other = {}
  hub.add(a.asConnection, group)
  hub.add(b.asConnection, other)
  const gone = hub.shutDown(60_000, group)
  t.equal(a.calls.length, 1)
  t.equal(b.calls.length, 0)
  a.leave()
  await gone
  t.equal(hub.isClosing, false)
  await hub.shutDown(60_000, {})
})

t.test('terminateAfter says nothing to them', async (t) => {
  const hub = new Hub(0)
  const connection = new FakeConnection()
  hub.add(connection.asConnection, group)
  await hub.terminateAfter(10, group)
  t.same(connection.calls, [['terminate']])
})

t.test('an application that takes all listeners off is not waited for beyond the deadline', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const hub = new Hub(20)
  const connection = new FakeConnection()
  hub.add(connection.asConnection, group)
  const closed = hub.close()
  connection.removeAllListeners()
  connection.leave()
  mock.timers.tick(20)
  await new Promise((resolve) => setImmediate(resolve))
  mock.timers.tick(1_000)
  await closed
  t.pass('done')
})
