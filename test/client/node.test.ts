import t from 'tap'
import * as browser from '../../lib/client/browser.ts'
import * as node from '../../lib/client/node.ts'
import { defineWebSocket } from '../../lib/contract.ts'
import { ControlServer } from '../helpers/control-server.ts'

t.test('the two entries have the same names', async (t) => {
  t.strictSame(Object.keys(node).toSorted(), Object.keys(browser).toSorted())
  t.strictSame({ ...node, connect: undefined }, { ...browser, connect: undefined })
})

t.test('connect, with nothing that has to be given but where', async (t) => {
  const server = await ControlServer.start(t)
  const socket = node.connect(defineWebSocket({ url: '/' }), { baseUrl: server.url })
  await socket.opened
  socket.close()
  t.match(await socket.closed, { code: 1000, wasClean: true })
})
