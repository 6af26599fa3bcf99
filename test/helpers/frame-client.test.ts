// The tests' own client against the examples of RFC 6455 and a plain TCP server: the cuts it promises really arrive.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import t from 'tap'
import { openFrames } from './frame-client.ts'
import { closePayload, encodeFrame, FrameReader } from './wire-frames.ts'

const examples = [
  { name: '§5.7 text without a mask', frame: { opcode: 1, payload: 'Hello', mask: null }, wire: '810548656c6c6f' },
  { name: '§5.7 masked text', frame: { opcode: 1, payload: 'Hello' }, wire: '818537fa213d7f9f4d5158' },
  { name: '§5.7 first fragment', frame: { opcode: 1, payload: 'Hel', fin: false, mask: null }, wire: '010348656c' },
  { name: '§5.7 masked pong', frame: { opcode: 10, payload: 'Hello' }, wire: '8a8537fa213d7f9f4d5158' },
  { name: '§5.5.1 code and reason', frame: { opcode: 8, payload: closePayload(1000, 'ok'), mask: null }, wire: '880403e86f6b' },
  { name: '§5.2 reserved bits', frame: { opcode: 2, rsv: 0b101, mask: null }, wire: 'd200' },
  { name: '§5.2 a length that is not minimal', frame: { opcode: 2, lengthForm: 16, mask: null }, wire: '827e0000' },
  { name: '§5.2 a length without its payload', frame: { opcode: 2, announced: 65_536n }, wire: '82ff000000000001000037fa213d' }
] as const

t.test('frames are encoded as in the RFC', async (t) => {
  for (const { name, frame, wire } of examples) t.equal(encodeFrame(frame).toString('hex'), wire, name)
})

t.test('16-bit and 64-bit lengths', async (t) => {
  for (const [length, head] of [[126, '827e007e'], [65_535, '827effff'], [65_536, '827f0000000000010000']] as const) {
    const wire = encodeFrame({ opcode: 2, payload: Buffer.alloc(length), mask: null })
    t.equal(wire.subarray(0, head.length / 2).toString('hex'), head)
    t.equal(wire.length, head.length / 2 + length)
  }
})

t.test('the reader takes frames however they are cut', async (t) => {
  const wire = Buffer.concat([
    encodeFrame({ opcode: 1, payload: 'a', mask: null }),
    encodeFrame({ opcode: 2, payload: Buffer.alloc(300, 7), mask: null }),
    encodeFrame({ opcode: 8, payload: closePayload(1001), mask: null })
  ])
  for (let cut = 0; cut <= wire.length; cut++) {
    const reader = new FrameReader()
    const frames = [...reader.receiveData(wire.subarray(0, cut)), ...reader.receiveData(wire.subarray(cut))]
    t.strictSame(frames.map(({ opcode, payload }) => [opcode, payload.length]), [[1, 1], [2, 300], [8, 2]], `cut at ${cut}`)
  }
})

const refused = [
  { name: '§5.1 a mask', wire: '818537fa213d7f9f4d5158' },
  { name: '§5.2 reserved bits', wire: 'c100' },
  { name: '§5.2 reserved opcode', wire: '8300' },
  { name: '§5.2 reserved control opcode', wire: '8b00' },
  { name: '§5.2 a length that is not minimal', wire: '817e000161' },
  { name: '§5.4 a continuation of nothing', wire: '8000' },
  { name: '§5.4 a message inside a message', wire: '01008100' },
  { name: '§5.5 a fragmented ping', wire: '0900' },
  { name: '§5.5 a ping of 126 bytes', wire: `897e007e${'00'.repeat(126)}` },
  { name: '§5.5.1 a Close of one byte', wire: '880103' },
  { name: '§5.5.1 a text behind Close', wire: '88008100' },
  { name: '§5.5.1 a second Close', wire: '88008800' },
  { name: '§8.1 text that is not UTF-8', wire: '8102c328' }
]

t.test('the reader refuses what a server may not send', async (t) => {
  for (const { name, wire } of refused) t.throws(() => new FrameReader().receiveData(Buffer.from(wire, 'hex')), name)
})

t.test('§5.5.2 the reader takes a pong behind Close', async (t) => {
  t.strictSame(new FrameReader().receiveData(Buffer.from('88008a00', 'hex')).map(({ opcode }) => opcode), [8, 10])
})

/** Upgrades every connection, counts the reads behind the handshake and answers nothing. */
async function startCounter (reads: number[]): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.once('data', (request: Buffer) => {
      const key = /^sec-websocket-key: (.+)\r$/mi.exec(request.toString('latin1'))?.[1] ?? ''
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.on('data', (chunk: Buffer) => reads.push(chunk.length))
      socket.on('end', () => socket.end())
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

t.test('each piece arrives in a read of its own, with many connections at once too', async (t) => {
  const reads: number[] = []
  const server = await startCounter(reads)
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo // a TCP server that listens has one
  await Promise.all(Array.from({ length: 16 }, async () => {
    const client = await openFrames({ port })
    await client.writeCut(Buffer.alloc(50), Array.from({ length: 49 }, (_, i) => i + 1))
    await client.writeCut(Buffer.alloc(50), [20])
    client.end()
    t.equal(await client.untilEnd(), 'fin')
  }))
  t.equal(reads.filter((size) => size === 1).length, 16 * 50)
  t.equal(reads.filter((size) => size === 20).length, 16)
  t.equal(reads.filter((size) => size === 30).length, 16)
})

t.test('a connection ends at its deadline', async (t) => {
  const server = await startCounter([])
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo // as above
  const client = await openFrames({ port, deadline: 50 })
  t.equal(await client.untilEnd(), 'deadline')
})
