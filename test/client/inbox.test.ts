import t from 'tap'
import { Inbox } from '../../lib/client/inbox.ts'

class Box extends Inbox {
  readonly faults: unknown[] = []
  unheard = 0
  override onFault (reason: unknown, event: string): void { this.faults.push([reason, event]) }
  override onUnheard (): void { this.unheard++ }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('listeners: in order, once, off, and one that takes another away', async (t) => {
  const box = new Box()
  const heard: string[] = []
  const b = (): void => { heard.push('b') }
  box.on('x', () => { heard.push('a'); box.off('x', b) }).on('x', b).once('x', () => { heard.push('c'); box.emit('x') })
  box.emit('x')
  t.strictSame(heard, ['a', 'b', 'c', 'a'], 'who is taken away while it is called is still called; once is once, called from within too')
  box.off('y', b)
  t.equal(box.isHeard('y'), false)
})

t.test('faults of listeners keep none of the others from being called', async (t) => {
  const box = new Box()
  const heard: string[] = []
  box.on('message', () => { throw 'thrown' }).on('message', async () => { throw 'rejected' }).on('message', () => { heard.push('heard') }) // eslint-disable-line no-throw-literal
  box.receive(1)
  box.receive(2)
  await turn()
  t.strictSame(heard, ['heard', 'heard'])
  t.strictSame(box.faults, [['thrown', 'message'], ['rejected', 'message'], ['thrown', 'message'], ['rejected', 'message']])
})

t.test('one after the other, those of the type with those of all', async (t) => {
  const box = new Box()
  const heard: unknown[] = []
  const releases: Array<() => void> = []
  box.on('message', (message) => { heard.push(message) })
  box.on('message:a', () => new Promise<void>((resolve) => { releases.push(resolve) }))
  for (const message of [{ type: 'a', n: 1 }, { type: 'a', n: 2 }, null, { type: { toString: 1 } }, 'text', { type: 1 }]) box.receive(message)
  await turn()
  t.equal(heard.length, 1)
  releases[0]?.()
  await turn()
  t.equal(heard.length, 2)
  releases[1]?.()
  await turn()
  t.strictSame(heard, [{ type: 'a', n: 1 }, { type: 'a', n: 2 }, null, { type: { toString: 1 } }, 'text', { type: 1 }])
})

t.test('what comes before the first listener waits, and listeners that are added together hear the same', async (t) => {
  const box = new Box()
  box.receive('early')
  const heard: unknown[] = []
  box.on('message', (message) => { heard.push(message) }).on('message', (message) => { heard.push(message) })
  t.strictSame(heard, [])
  await turn()
  t.strictSame(heard, ['early', 'early'])
  for (let n = 0; n < 1_002; n++) new Box().receive(n)
  const full = new Box()
  for (let n = 0; n < 1_002; n++) full.receive(n)
  t.equal(full.waiting, 1_000)
  t.equal(full.unheard, 2)
  full.clear()
  t.equal(full.waiting, 0)
})

t.test('a loop: a message counts as handled when the next one is asked for', async (t) => {
  const box = new Box()
  const loop = box[Symbol.asyncIterator]()
  const first = loop.next()
  await turn()
  for (const n of [1, 2, 3]) box.receive(n)
  t.strictSame(await first, { done: false, value: 1 })
  await turn()
  t.equal(box.waiting, 2)
  t.strictSame(await loop.next(), { done: false, value: 2 })
  await turn()
  t.equal(box.waiting, 1)
  await loop.return(undefined)
  await turn()
  t.equal(box.isHeard('message'), false)
  t.equal(box.waiting, 1, 'what is left is for another')
  box.end()
  const rest: unknown[] = []
  for await (const message of box) rest.push(message)
  t.strictSame(rest, [3])
  for await (const message of box) t.fail(String(message))
})

t.test('a loop is left while it waits, and takes nothing with it', async (t) => {
  const box = new Box()
  const loop = box[Symbol.asyncIterator]()
  const asked = [loop.next(), loop.next()]
  await turn()
  t.strictSame(await loop.return(undefined), { done: true, value: undefined })
  t.strictSame(await Promise.all(asked), Array(2).fill({ done: true, value: undefined }))
  t.equal(box.isHeard('message'), false)
  box.receive(1)
  t.equal(box.waiting, 1)
  const late = box[Symbol.asyncIterator]()
  const first = late.next()
  await turn()
  await late.return(undefined)
  t.strictSame(await first, { done: false, value: 1 }, 'what was on its way is given')
  const unused = box[Symbol.asyncIterator]()
  await unused.return(undefined)
  t.strictSame(await unused.next(), { done: true, value: undefined })
})

t.test('several loops end together', async (t) => {
  const box = new Box()
  const loops = [0, 1].map(async () => {
    const heard: unknown[] = []
    for await (const message of box) heard.push(message)
    return heard
  })
  await turn()
  box.receive(1)
  box.receive(2)
  box.end()
  t.strictSame(await Promise.all(loops), [[1, 2], [1, 2]])
})
