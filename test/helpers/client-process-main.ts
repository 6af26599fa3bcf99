// The other process of client-process.ts.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Counts, Order } from './client-process.ts'
import { handshake } from './raw-client.ts'

/** Handshakes under way at once: fewer than a server lets wait. */
const AT_ONCE = 200

const sockets: Socket[] = []
let received = 0
let ended = 0

async function openOne ({ port, path, first, offer }: Extract<Order, { kind: 'open' }>): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  sockets.push(socket)
  // a reset is how an attack may end
  socket.on('error', () => {})
  socket.once('close', () => { ended++ })
  socket.write(Buffer.concat([Buffer.from(handshake(path, offer === undefined ? [] : [`Sec-WebSocket-Extensions: ${offer}`])), first]))
  let head = ''
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.on('data', function readHead (chunk: Buffer) {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      socket.off('data', readHead)
      if (!head.startsWith('HTTP/1.1 101')) throw new Error(head)
      received += head.length - end - 4
      socket.on('data', (bytes: Buffer) => { received += bytes.length })
      resolve()
    })
  })
}

async function open (order: Extract<Order, { kind: 'open' }>): Promise<void> {
  let left = order.count
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) await openOne(order)
  }))
}

async function untilWritable (socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

async function writeTo (socket: Socket, bytes: Uint8Array, times: number): Promise<void> {
  for (let i = 0; i < times && socket.writable; i++) {
    if (!socket.write(bytes)) await untilWritable(socket)
  }
}

async function obey (order: Order): Promise<void> {
  if (order.kind === 'open') return await open(order)
  if (order.kind === 'write') await Promise.all(sockets.map((socket) => writeTo(socket, order.bytes, order.times)))
  if (order.kind === 'pause') for (const socket of sockets) socket.pause()
  if (order.kind === 'resume') for (const socket of sockets) socket.resume()
  if (order.kind === 'destroy') for (const socket of sockets.splice(0)) socket.resetAndDestroy()
}

process.on('message', ({ id, order }: { id: number, order: Order }) => {
  void obey(order).then(() => {
    const counts: Counts = { opened: sockets.length, ended, received }
    process.send?.({ id, counts })
  })
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
