// The wire of a browser, by a WebSocket that a test makes; a real browser's is in browser.test.ts.
import t from 'tap'
import { checkNative, openNative } from '../../lib/client/browser-wire.ts'
import type { Wire, WireEvents, WireTarget } from '../../lib/client/wire.ts'

class FakeSocket {
  static last: FakeSocket
  readonly args: unknown[]
  binaryType = 'blob'
  protocol = 'v1'
  readyState = 0
  bufferedAmount = 7
  onopen: () => void = () => {}
  onmessage: (event: object) => void = () => {}
  onclose: (event: object) => void = () => {}
  constructor (...args: unknown[]) {
    this.args = args
    FakeSocket.last = this
  }

  send (): void {}
  close (): void {}
}

const TARGET: WireTarget = { url: new URL('ws://example.org/a?b=c'), protocols: ['v1'], headers: undefined, token: undefined }

function open (target: Partial<WireTarget> = {}, told: unknown[] = []): { wire: Wire, socket: FakeSocket } {
  const events: WireEvents = { onOpen: () => { told.push('open') }, onMessage: (data) => { told.push(data) }, onClose: (loss) => { told.push(loss) } }
  const wire = openNative({ ...TARGET, ...target }, events, { webSocket: FakeSocket })
  return { wire, socket: FakeSocket.last }
}

t.test('what is asked of it, and what it tells', async (t) => {
  const told: unknown[] = []
  const { wire, socket } = open({}, told)
  t.strictSame(socket.args, ['ws://example.org/a?b=c', ['v1']])
  t.equal(socket.binaryType, 'arraybuffer')
  t.equal(wire, socket, 'it is the socket itself')
  socket.onopen()
  socket.onmessage({ data: 'hi', type: 'message' })
  socket.onclose({ code: 1001, reason: 'away', wasClean: true, type: 'close' })
  t.strictSame(told, ['open', 'hi', { code: 1001, reason: 'away', wasClean: true }])
})

t.test('a token goes behind bearer', async (t) => {
  t.strictSame(open({ token: 'a.b' }).socket.args[1], ['v1', 'bearer', 'a.b'])
  t.strictSame(open({ token: 'a.b', protocols: [] }).socket.args[1], ['bearer', 'a.b'])
})

t.test('what the constructor throws, and none at all', async (t) => {
  const events: WireEvents = { onOpen () {}, onMessage () {}, onClose () {} }
  const cause = new Error('bad subprotocol')
  t.throws(() => openNative(TARGET, events, { webSocket: class { constructor () { throw cause } } }), { code: 'FST_WS_CLIENT_OPTION', message: /bad subprotocol/, cause })
  const own = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket')
  Reflect.deleteProperty(globalThis, 'WebSocket')
  t.throws(() => openNative(TARGET, events, {}), { code: 'FST_WS_CLIENT_OPTION', message: /WebSocket.* is not a constructor/ })
  if (own !== undefined) Object.defineProperty(globalThis, 'WebSocket', own)
})

t.test('what no script can do is refused', async (t) => {
  for (const options of [{ headers: {} }, { headers: () => ({}) }, { tls: {} }]) t.throws(() => checkNative(options), { code: 'FST_WS_CLIENT_OPTION', message: /headers, tls: Node only/ })
  checkNative({ perMessageDeflate: true, maxPayload: 1 })
})
