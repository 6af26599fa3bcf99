import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { readSocket, useSocket } from '../../lib/connection/socket-listeners.ts'
import type { SocketUser } from '../../lib/connection/socket-listeners.ts'

/** A user that writes down what it is told. */
function recorder (): { user: SocketUser, told: unknown[] } {
  const told: unknown[] = []
  return {
    told,
    user: {
      onSocketData: (chunk) => { told.push(String(chunk)) },
      onSocketInput: (length) => { told.push(length) },
      onSocketEnd: () => { told.push('end') },
      onSocketError: ({ message }) => { told.push(message) },
      onSocketClose: () => { told.push('close') }
    }
  }
}

t.test('each user hears of its own socket, and the listeners are the same', async t => {
  const sockets = [new PassThrough(), new PassThrough()] as const
  const users = [recorder(), recorder()] as const
  for (const [i, socket] of sockets.entries()) {
    useSocket(socket, users[i]!.user)
    t.equal(socket.listenerCount('data'), 0, 'nothing is read before it is wanted')
    t.equal(readSocket(socket, Buffer.alloc(10)), false, 'a stream that is no socket has its own buffers')
  }
  for (const event of ['data', 'error', 'close']) t.equal(sockets[0].listeners(event).at(-1), sockets[1].listeners(event).at(-1), event)
  sockets[0].write('a')
  sockets[1].end('b')
  await turn()
  await turn()
  sockets[0].destroy(new Error('broken'))
  await turn()
  t.same(users[0].told, ['a', 'broken', 'close'])
  t.same(users[1].told, ['b', 'end', 'close'])
})

t.test('a socket that has closed already: its user hears of it, later', async t => {
  const socket = new PassThrough()
  socket.destroy()
  await turn()
  const { user, told } = recorder()
  useSocket(socket, user)
  t.same(told, [])
  await turn()
  t.same(told, ['close'])
})
