// `for await` over a connection: order, backpressure, and every way to leave the loop.
import { once } from 'node:events'
import t from 'tap'
import type { Connection } from '../../lib/connection/connection.ts'
import { MessageIterator } from '../../lib/connection/message-iterator.ts'
import { openPair, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'

t.test('messages come one by one, in order; the loop ends when the connection has closed, behind the last of them', async t => {
  const got: unknown[] = []
  let ended = false
  const { connection, peer, faults } = await openPair(t, {
    async handler (connection) {
      for await (const message of connection) got.push(message)
      ended = true
    }
  })
  const texts = Array.from({ length: 200 }, (_, i) => `${i}`)
  peer.text(...texts)
  peer.send(2, 'bytes')
  peer.close(1000)
  await untilClosed(connection)
  await turns(2)
  t.same(got, [...texts, Buffer.from('bytes')])
  t.ok(ended)
  t.same(faults, [])
})

t.test('T52 a slow consumer holds the peer back', async t => {
  const { connection, socket, peer } = await openPair(t)
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  let count = 0
  const loop = (async () => {
    for await (const _message of connection) {
      if (++count === 1) await opened
      if (count === 100) break
    }
  })()
  for (let i = 0; i < 100; i++) peer.send(2, Buffer.alloc(100_000))
  let read = -1
  for (let still = 0; still < 50; still = read === socket.bytesRead ? still + 1 : 0) {
    read = socket.bytesRead
    await turns(1)
  }
  t.equal(count, 1)
  t.ok(read < 20 * 100_000, `${read} bytes were read`)
  open()
  await loop
})

const leaves: Array<{ name: string, leave: () => void }> = [
  { name: 'throw', leave: () => { throw new Error('left') } },
  { name: 'break', leave: () => {} }
]
for (const { name, leave } of leaves) {
  t.test(`left by ${name}: the connection stays open, later listeners get what comes later`, async t => {
    const { connection, peer } = await openPair(t)
    const got: unknown[] = []
    const loop = (async () => {
      for await (const message of connection) {
        got.push(message)
        if (message === '2') {
          leave()
          break
        }
      }
    })()
    peer.text('1', '2')
    if (name === 'throw') await t.rejects(loop, { message: 'left' })
    else await loop
    t.equal(connection.listenerCount('message'), 0)
    connection.on('message', (text: string) => { got.push(`listener ${text}`) })
    peer.text('3')
    await peer.roundTrip()
    t.same(got, ['1', '2', 'listener 3'])
    t.equal(connection.readyState, connection.OPEN)
  })
}

t.test('two loops at once: each gets every message, the slower one sets the pace', async t => {
  const { connection, peer } = await openPair(t)
  const log: string[] = []
  let most = 0
  let started = 0
  const run = async (name: string, pause: number): Promise<void> => {
    for await (const message of connection) {
      if (name === 'fast') most = Math.max(most, Number(message) - started)
      else started = Number(message)
      log.push(`${name}${message}`)
      await turns(pause)
    }
  }
  const loops = Promise.all([run('slow', 3), run('fast', 0)])
  const texts = Array.from({ length: 20 }, (_, i) => `${i}`)
  peer.text(...texts)
  peer.close(1000)
  await loops
  for (const name of ['slow', 'fast']) t.same(log.filter(entry => entry.startsWith(name)), texts.map(text => `${name}${text}`))
  t.ok(most <= 1, `${most} ahead`)
})

t.test('one loop behind another goes on with what comes later', async t => {
  const { connection, peer } = await openPair(t)
  const got: unknown[] = []
  const first = (async () => { for await (const message of connection) { got.push(message); break } })()
  peer.text('1')
  await first
  const second = (async () => { for await (const message of connection) got.push(message) })()
  peer.text('2', '3')
  peer.close(1000)
  await second
  t.same(got, ['1', '2', '3'])
})

t.test('beside a listener, which gets the same messages', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  connection.on('message', (text: string) => { got.push(`l${text}`) })
  const loop = (async () => { for await (const message of connection) got.push(`i${message}`) })()
  peer.text('1', '2')
  peer.close(1000)
  await loop
  t.same(got, ['l1', 'i1', 'l2', 'i2'])
})

t.test('next called ahead: every call gets its message', async t => {
  const { connection, peer } = await openPair(t)
  const iterator = connection[Symbol.asyncIterator]()
  const asked = [iterator.next(), iterator.next(), iterator.next()]
  peer.text('1', '2', '3', '4')
  t.same(await Promise.all(asked), ['1', '2', '3'].map(value => ({ done: false, value })))
  t.same(await iterator.next(), { done: false, value: '4' })
})

t.test('concurrency 3: as many are delivered ahead, all are pulled, and the pace is kept', async t => {
  const { connection, peer } = await openPair(t, { concurrency: 3 })
  const got: unknown[] = []
  const loop = (async () => {
    for await (const message of connection) {
      got.push(message)
      await turns(1)
    }
  })()
  const texts = Array.from({ length: 50 }, (_, i) => `${i}`)
  peer.text(...texts)
  peer.close(1000)
  await loop
  t.same(got, texts)
})

t.test('the end comes to whoever waits, and to whoever asks later', async t => {
  const { connection, peer } = await openPair(t)
  const iterator = connection[Symbol.asyncIterator]()
  const waiting = [iterator.next(), iterator.next()]
  peer.socket.resetAndDestroy()
  const end = { done: true, value: undefined }
  t.same(await Promise.all(waiting), [end, end])
  t.same(await iterator.next(), end)
  t.same(await connection[Symbol.asyncIterator]().next(), end, 'of a connection that has closed')
})

t.test('closed here inside the loop: it ends, messages behind are not delivered', async t => {
  const { connection, peer } = await openPair(t)
  const got: unknown[] = []
  const loop = (async () => {
    for await (const message of connection) {
      got.push(message)
      connection.close(1000)
    }
  })()
  peer.text('1', '2', '3')
  await peer.untilFrames(1)
  peer.close(1000)
  await loop
  t.same(got, ['1'])
})

t.test('return settles what was delivered: the queue goes on for others', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  const iterator = connection[Symbol.asyncIterator]()
  connection.on('message', (text: string) => { got.push(text) })
  peer.text('1', '2', '3')
  await peer.roundTrip()
  t.same(got, ['1'], 'the iterator has not asked for the next')
  const asked = iterator.next()
  t.same(await asked, { done: false, value: '1' })
  const end = { done: true, value: undefined }
  t.same(await iterator.return?.(), end)
  t.same(await iterator.return?.(), end)
  t.same(await iterator.next(), end)
  await untilTrue(() => got.length === 3)
  t.same(got, ['1', '2', '3'])
})

t.test('returned with messages that were never pulled: nothing waits for them', async t => {
  const { connection, peer } = await openPair(t, { concurrency: 2 })
  const got: string[] = []
  const iterator = connection[Symbol.asyncIterator]()
  connection.on('message', (text: string) => { got.push(text) })
  peer.text('1', '2', '3', '4')
  await peer.roundTrip()
  t.same(got, ['1', '2'])
  await iterator.return?.()
  await untilTrue(() => got.length === 4)
  t.same(got, ['1', '2', '3', '4'])
})

t.test('returned by another listener of the same message: nothing waits for it', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  const iterator = { current: undefined as AsyncIterableIterator<unknown> | undefined }
  connection.on('message', (text: string) => {
    got.push(text)
    void iterator.current?.return?.()
  })
  iterator.current = connection[Symbol.asyncIterator]()
  peer.text('1', '2', '3')
  await peer.roundTrip()
  await turns(3)
  t.same(got, ['1', '2', '3'])
})

t.test('closed there with messages not pulled yet: they are pulled, then it ends', async t => {
  const { connection, peer } = await openPair(t)
  const iterator = connection[Symbol.asyncIterator]()
  peer.socket.end(Buffer.concat([peer.textFrames('1', '2', '3'), peer.frame(8)]))
  await untilTrue(() => connection.readyState === connection.CLOSED)
  t.same([await iterator.next(), await iterator.next(), await iterator.next(), await iterator.next()].map(({ value }) => value), ['1', '2', '3', undefined])
})

t.test('a message that comes behind the end is nobody\'s, and waits for nobody', async t => {
  const iterator = new MessageIterator(() => {})
  await iterator.return()
  await iterator.deliver('late')
  t.same(await iterator.next(), { done: true, value: undefined })
  t.equal(iterator[Symbol.asyncIterator](), iterator)
})

t.test('two loops in a handler, one behind the other: no message is lost between them', async t => {
  const got: unknown[] = []
  const { connection, peer } = await openPair(t, {
    async handler (connection) {
      for await (const message of connection) {
        got.push(message)
        break
      }
      await turns(3)
      for await (const message of connection) got.push(message)
    }
  })
  peer.text('1', '2', '3')
  peer.close(1000)
  await untilClosed(connection)
  await turns(3)
  t.same(got, ['1', '2', '3'])
})

for (const [name, next] of Object.entries({
  'once and once': async (connection: Connection) => [...await once(connection, 'message'), ...await once(connection, 'message')],
  'once and a loop': async (connection: Connection) => {
    const first = await once(connection, 'message')
    for await (const message of connection) return [...first, message]
  },
  'once, a while, and a listener': async (connection: Connection) => {
    const first = await once(connection, 'message')
    await turns(5)
    return await new Promise((resolve) => { connection.on('message', (message: string) => resolve([...first, message])) })
  }
})) {
  t.test(`one listener behind the other in a handler that runs, or without a handler: ${name}`, async t => {
    for (const withHandler of [true, false]) {
      let done: Promise<unknown> | undefined
      const { connection, peer } = await openPair(t, withHandler ? { handler: (connection) => { done = next(connection); return done } } : {})
      peer.text('1', '2')
      await turns(5)
      done ??= next(connection)
      t.same((await done as unknown[]).filter((value) => typeof value === 'string'), ['1', '2'])
    }
  })
}

t.test('a loop that was left when the handler had settled: nothing waits for another one', async t => {
  const { connection, peer, faults } = await openPair(t, { handler () {} })
  const left = (async () => { for await (const message of connection) return message })()
  peer.text(...Array.from({ length: 100 }, () => 'x'))
  t.equal(await left, 'x')
  await peer.roundTrip()
  peer.close(1000)
  t.match(await untilClosed(connection), { code: 1000, wasClean: true })
  t.same(faults, [])
})

t.test('a consumer slower than closeTimeout gets all that came before the close', async t => {
  const { connection, peer } = await openPair(t, { closeTimeout: 5 })
  const closed = untilClosed(connection)
  const got: unknown[] = []
  const loop = (async () => {
    for await (const message of connection) {
      await closed
      got.push(message)
    }
  })()
  peer.text('1', '2', '3')
  peer.close(1000)
  peer.socket.end()
  await loop
  t.same(got, ['1', '2', '3'])
})
