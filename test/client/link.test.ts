// The states of a link, with wires that do what a test tells them to.
import t from 'tap'
import { Link } from '../../lib/client/link.ts'
import type { LinkEvents, LinkSettings } from '../../lib/client/link.ts'
import type { Loss, Wire, WireEvents, WireTarget } from '../../lib/client/wire.ts'

interface FakeWire extends Wire {
  readonly events: WireEvents
  readonly calls: unknown[]
}

const LOSS: Loss = { code: 1006, reason: '', wasClean: false }
const QUICK = { minDelay: 0, maxDelay: 0, maxAttempts: Infinity, resetAfter: 0 }
const NEVER = { maxAttempts: 0 }

class Setup implements LinkEvents {
  readonly wires: FakeWire[] = []
  readonly told: unknown[] = []
  readonly attempts: number[] = []
  readonly link: Link
  describe: () => Promise<unknown> = async () => ({})
  onTold: () => void = () => {}
  throwsOnOpen: unknown

  constructor (settings: Partial<LinkSettings> = {}) {
    this.link = new Link({
      ...QUICK,
      handshakeTimeout: 1_000,
      closeTimeout: 1_000,
      isTerminal: () => false,
      describe: () => this.describe() as Promise<WireTarget>, // wires of this test look at none
      open: (_target, events) => this.#open(events),
      ...settings
    }, this)
  }

  onConnecting (attempt: number): void { this.attempts.push(attempt) }
  onOpen (): void { this.#tell('open') }
  onMessage (data: string | ArrayBuffer): void { this.#tell(data) }
  onLost (): void { this.#tell('lost') }
  onRetry (retry: object): void { this.#tell(['retry', retry]) }
  onClosed (end: object): void { this.#tell(['closed', end]) }

  async wire (index: number): Promise<FakeWire> {
    for (;;) {
      const wire = this.wires[index]
      if (wire !== undefined) return wire
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  #tell (what: unknown): void {
    this.told.push(what)
    this.onTold()
  }

  #open (events: WireEvents): Wire {
    if (this.throwsOnOpen !== undefined) throw this.throwsOnOpen
    const calls: unknown[] = []
    const wire: FakeWire = {
      events, calls, protocol: '', readyState: 1, bufferedAmount: 0, send () {}, close: (...args) => { calls.push(['close', ...args]) }, terminate: () => { calls.push('terminate') }
    }
    this.wires.push(wire)
    return wire
  }
}

t.test('connects, tells, and closes', async (t) => {
  const setup = new Setup()
  const { link, told } = setup
  t.equal(link.state, 'connecting')
  link.start()
  const wire = await setup.wire(0)
  t.equal(link.isOpen, false)
  wire.events.onOpen()
  t.equal(link.isOpen, true)
  wire.events.onMessage('hi')
  link.close(4000, 'bye')
  link.close(4001, 'twice')
  t.strictSame(wire.calls, [['close', 4000, 'bye']])
  t.equal(link.state, 'closing')
  t.equal(link.isOpen, false)
  wire.events.onMessage('late')
  wire.events.onClose({ code: 4000, reason: 'bye', wasClean: true })
  t.equal(link.state, 'closed')
  t.match(told, ['open', 'hi', 'late', 'lost', ['closed', { code: 4000, reason: 'bye', wasClean: true, initiator: 'local' }]])
  wire.events.onMessage('after')
  link.abort(1)
  t.equal(told.length, 5)
})

t.test('reconnects, and hears nothing of an old connection', async (t) => {
  const setup = new Setup()
  setup.link.start()
  const first = await setup.wire(0)
  first.events.onOpen()
  first.events.onClose({ ...LOSS, error: new Error('gone') })
  t.equal(setup.link.state, 'waiting')
  first.events.onClose(LOSS)
  first.events.onMessage('old')
  const second = await setup.wire(1)
  first.events.onOpen()
  t.equal(setup.link.state, 'connecting')
  second.events.onOpen()
  t.match(setup.told, ['open', 'lost', ['retry', { attempt: 1, delay: 0, code: 1006, error: { message: 'gone' } }], 'open'])
  setup.link.abort('enough')
  t.strictSame(second.calls, [['close', 1000]], 'told, but not waited for')
})

t.test('failures count until a connection has lasted', async (t) => {
  const attempts = (told: unknown[]): unknown[] => told.filter(Array.isArray).map(([, retry]) => retry.attempt)
  for (const { resetAfter, want } of [{ resetAfter: 60_000, want: [1, 2, 3] }, { resetAfter: 0, want: [1, 1, 1] }]) {
    const setup = new Setup({ resetAfter })
    setup.link.start()
    for (let n = 0; n < 3; n++) {
      const { events } = await setup.wire(n)
      events.onOpen()
      events.onClose(LOSS)
    }
    t.strictSame(attempts(setup.told), want)
    setup.link.abort('enough')
  }
})

t.test('gives up', async (t) => {
  const rows: Array<{ name: string, settings: Partial<LinkSettings>, wires: number }> = [
    { name: 'without reconnect', settings: NEVER, wires: 1 },
    { name: 'after maxAttempts', settings: { maxAttempts: 2 }, wires: 3 },
    { name: 'at a terminal end', settings: { isTerminal: ({ code }) => code === 1006 }, wires: 1 }
  ]
  for (const { name, settings, wires } of rows) {
    const setup = new Setup(settings)
    setup.link.start()
    for (let n = 0; n < wires; n++) (await setup.wire(n)).events.onClose(LOSS)
    t.equal(setup.link.state, 'closed', name)
    t.match(setup.told.at(-1), ['closed', { code: 1006, initiator: 'remote' }])
  }
})

t.test('a deadline for all of an attempt', async (t) => {
  const setup = new Setup({ handshakeTimeout: 5, ...NEVER })
  setup.link.start()
  const wire = await setup.wire(0)
  while (setup.link.state !== 'closed') await new Promise((resolve) => setTimeout(resolve, 1))
  t.strictSame(wire.calls.includes('terminate'), true)
  t.match(setup.told, [['closed', { error: { code: 'FST_WS_CLIENT_UNREACHABLE', message: 'unreachable: in 5 ms' } }]])
  const hanging = new Setup({ handshakeTimeout: 5, ...NEVER })
  let resolve: ((target: unknown) => void) | undefined
  hanging.describe = () => new Promise((given) => { resolve = given })
  hanging.link.start()
  while (hanging.link.state !== 'closed') await new Promise((resolve) => setTimeout(resolve, 1))
  resolve?.({})
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(hanging.wires.length, 0, 'what comes too late opens nothing')
})

t.test('what cannot be opened is a failed attempt', async (t) => {
  for (const thrown of [new Error('no'), 'no']) {
    const setup = new Setup(NEVER)
    setup.throwsOnOpen = thrown
    setup.link.start()
    while (setup.link.state !== 'closed') await new Promise((resolve) => setImmediate(resolve))
    t.match(setup.told, [['closed', { error: { message: /no/ } }]])
  }
})

t.test('closing has a deadline, and while waiting there is nothing to close', async (t) => {
  const setup = new Setup({ closeTimeout: 5 })
  setup.link.start()
  const { events, calls } = await setup.wire(0)
  events.onOpen()
  const fault = new Error('the server broke its contract')
  setup.link.close(1008, '', fault)
  while (setup.link.state !== 'closed') await new Promise((resolve) => setTimeout(resolve, 1))
  t.ok(calls.includes('terminate'))
  t.match(setup.told.at(-1), ['closed', { code: 1006, initiator: 'local', error: fault }])

  const waiting = new Setup({ minDelay: 60_000, maxDelay: 60_000 })
  waiting.link.start()
  ;(await waiting.wire(0)).events.onClose(LOSS)
  t.equal(waiting.link.state, 'waiting')
  waiting.link.close(1000, 'bye')
  t.match(waiting.told.at(-1), ['closed', { code: 1000, reason: 'bye', wasClean: false, initiator: 'local' }])
})

t.test('closed by whoever is told of a loss', async (t) => {
  for (const end of ['close', 'abort'] as const) {
    const setup = new Setup()
    setup.link.start()
    const { events } = await setup.wire(0)
    events.onOpen()
    setup.onTold = () => { if (setup.told.at(-1) === 'lost') setup.link[end](1000, 'bye') }
    events.onClose(LOSS)
    t.equal(setup.told.length, 3)
    t.match(setup.told.at(-1), ['closed', { initiator: 'local' }])
    await new Promise((resolve) => setTimeout(resolve, 5))
    t.equal(setup.wires.length, 1)
  }
})

t.test('tells each attempt, when listeners are there', async (t) => {
  const setup = new Setup({ resetAfter: 60_000 })
  const { link, attempts } = setup
  link.start()
  t.strictSame(attempts, [])
  ;(await setup.wire(0)).events.onClose(LOSS)
  ;(await setup.wire(1)).events.onClose(LOSS)
  await setup.wire(2)
  t.strictSame(attempts, [0, 1, 2])
  link.abort('enough')
  const closed = new Setup()
  let calls = 0
  closed.describe = async () => { calls++ }
  closed.link.start()
  closed.link.close(1000, '')
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame([closed.attempts, calls], [[], 0], 'closed at once, nothing was begun')
})

t.test('waits no longer when it is told so', async (t) => {
  const setup = new Setup({ minDelay: 2 ** 30, maxDelay: 2 ** 30 })
  const { link, attempts } = setup
  link.start()
  link.retry()
  const first = await setup.wire(0)
  first.events.onClose(LOSS)
  t.equal(link.state, 'waiting')
  link.retry()
  link.retry()
  t.equal(link.state, 'connecting')
  const second = await setup.wire(1)
  second.events.onOpen()
  link.retry()
  t.equal(link.state, 'open')
  t.strictSame(attempts, [0, 0])
  link.abort('enough')
  link.retry()
  t.equal(link.state, 'closed')
})

t.test('a wait has an end, however long it may be', async (t) => {
  const setup = new Setup({ minDelay: Infinity, maxDelay: Infinity, handshakeTimeout: Infinity })
  setup.link.start()
  ;(await setup.wire(0)).events.onClose(LOSS)
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal(setup.link.state, 'waiting')
  t.equal(setup.wires.length, 1)
  setup.link.abort('enough')
})

t.test('isTerminal that throws is an end, and tells why', async (t) => {
  const setup = new Setup({ isTerminal: () => { throw new Error('odd code') } })
  setup.link.start()
  ;(await setup.wire(0)).events.onClose(LOSS)
  t.match(setup.told, [['closed', { code: 1006, initiator: 'remote', error: { message: 'odd code' } }]])
})

t.test('isTerminal may close it, whatever it says then', async (t) => {
  for (const isTerminal of [true, false, undefined]) {
    const setup = new Setup({ isTerminal: () => { setup.link.close(4000, 'mine'); return isTerminal } })
    setup.link.start()
    ;(await setup.wire(0)).events.onClose(LOSS)
    await new Promise((resolve) => setTimeout(resolve, 5))
    t.match(setup.told, [['closed', { code: 4000, initiator: 'local' }]], 'once')
    t.equal(setup.told.length, 1)
    t.strictSame([setup.link.state, setup.wires.length], ['closed', 1])
  }
})

t.test('closed by who hears of an attempt, it asks for nothing any more', async (t) => {
  const setup = new Setup()
  let calls = 0
  setup.describe = async () => { calls++ }
  setup.onConnecting = () => setup.link.close(1000, '')
  setup.link.start()
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame([calls, setup.link.state], [0, 'closed'])
})

t.test('a description that never comes keeps nobody from closing', async (t) => {
  const setup = new Setup()
  let fail: ((reason: unknown) => void) | undefined
  setup.describe = () => new Promise((_resolve, reject) => { fail = reject })
  setup.link.start()
  while (fail === undefined) await new Promise((resolve) => setImmediate(resolve))
  setup.link.close(1000, 'bye')
  t.match(setup.told, [['closed', { code: 1000, reason: 'bye', initiator: 'local' }]])
  fail(new Error('too late'))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(setup.told.length, 1)
})
