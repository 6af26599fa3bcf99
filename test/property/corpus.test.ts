// Inputs that once broke a parser, this one or another, kept under test/corpus: each is read in both roles, whole, byte by
// byte and cut everywhere, by the core and by a Connection on a socket, and always as by the plain reader.
//
// A file has a comment that names what broke, `# maxPayload <bytes>` if it needs one, and the bytes as hex.
import { readdirSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { Connection } from '../../lib/connection/connection.ts'
import { ProtocolError } from '../../lib/protocol/errors.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { openSockets, Peer, settingsWith, turns, untilTrue } from '../helpers/connection-pair.ts'
import '../helpers/guard.ts'
import { hex } from '../helpers/hex.ts'
import { readPlainly } from '../helpers/plain-reader.ts'
import { cuts, readChunks, split } from '../helpers/recorder.ts'
import type { Events } from '../helpers/recorder.ts'

const folder = new URL('../../../test/corpus/', import.meta.url)
const MOST_ON_SOCKETS = 48

t.setTimeout(300_000)

interface Entry {
  readonly name: string
  readonly what: string
  readonly maxPayload: number
  readonly wire: Buffer
}

function readEntry (name: string): Entry {
  const lines = readFileSync(new URL(name, folder), 'utf8').split('\n')
  const comments = lines.filter((line) => line.startsWith('#')).map((line) => line.slice(1).trim())
  const limit = comments.find((comment) => comment.startsWith('maxPayload '))
  return {
    name: name.replace(/\.hex$/, ''),
    what: comments[0] ?? '',
    maxPayload: limit === undefined ? 2 ** 20 : Number(limit.slice('maxPayload '.length)),
    wire: hex(lines.filter((line) => !line.startsWith('#')).join(' '))
  }
}

/** What a Connection tells of pieces that its peer writes, a turn of the event loop between them, in the words of the plain reader. */
async function readOnSocket (t: Test, role: Role, pieces: readonly Buffer[], maxPayload: number): Promise<Events> {
  const { near, far } = await openSockets()
  const peer = new Peer(far, role === 'server')
  const events: Events = []
  let isOver = false
  const connection = new Connection(near, settingsWith({
    role,
    maxPayload,
    closeTimeout: 1000,
    onError (error) { events.push(`error:${error instanceof ProtocolError ? error.code : error.message}`) }
  }))
  connection.on('message', (message: string | Buffer) => { events.push(typeof message === 'string' ? `text:${message}` : `binary:${message.toString('hex')}`) })
  connection.on('ping', (data: Buffer) => { events.push(`ping:${data.toString('hex')}`) })
  connection.on('pong', (data: Buffer) => { events.push(`pong:${data.toString('hex')}`) })
  connection.on('close', (code: number, reason: string, { wasClean }: { wasClean: boolean }) => {
    if (wasClean) events.push(`close:${code}:${reason}`)
    isOver = true
  })
  connection.start(Buffer.alloc(0))
  for (const piece of pieces) {
    if (piece.length > 0 && far.writable) far.write(piece)
    await turns(1)
  }
  far.end()
  await untilTrue(() => isOver)
  await untilTrue(() => peer.isGone)
  t.equal(peer.fault, undefined)
  const sent = peer.frames.map(({ opcode, payload }) => {
    if (opcode === 10) return `>pong:${payload.toString('hex')}`
    return payload.length === 0 ? '>close:' : `>close:${payload.readUInt16BE()}:${payload.toString('utf8', 2)}`
  })
  return [...sent, ...events]
}

/** Those that go out, then those that the application sees, as they are told apart on a socket. */
function inTwoLists (events: Events): Events {
  return [...events.filter((event) => event.startsWith('>')), ...events.filter((event) => !event.startsWith('>'))]
}

/** All ways to cut a short wire once and into single bytes, some of those of a long one. */
function waysToCut (wire: Buffer): Buffer[][] {
  const all = wire.length <= MOST_ON_SOCKETS
    ? [...cuts(wire)]
    : Array.from({ length: MOST_ON_SOCKETS }, (_, i) => split(wire, [1 + Math.floor(i * (wire.length - 1) / MOST_ON_SOCKETS)]))
  return [[wire], Array.from(wire, (byte) => Buffer.of(byte)), ...all]
}

const entries = readdirSync(folder).filter((name) => name.endsWith('.hex')).map(readEntry)
t.ok(entries.length >= 25, `${entries.length} inputs`)

for (const { name, what, maxPayload, wire } of entries) {
  t.test(`${name}: ${what}`, async (t) => {
    t.ok(what.length > 10, 'says what broke')
    for (const role of ['server', 'client'] as const) {
      const want = readPlainly(wire, role, maxPayload)
      t.strictSame(readChunks(role, [wire], maxPayload), want, `whole, to a ${role}`)
      const differing = [...cuts(wire)].filter((pieces) => !isDeepStrictEqual(readChunks(role, pieces, maxPayload), want))
      t.strictSame(differing.slice(0, 1), [], `cut everywhere, to a ${role}`)
    }
  })

  t.test(`${name}, on a socket`, async (t) => {
    for (const role of ['server', 'client'] as const) {
      const want = inTwoLists(readPlainly(wire, role, maxPayload))
      for (const pieces of waysToCut(wire)) {
        const got = await readOnSocket(t, role, pieces, maxPayload)
        if (!isDeepStrictEqual(got, want)) return t.strictSame(got, want, `${pieces.length} pieces, the first of ${pieces[0]?.length}, to a ${role}`)
      }
    }
    t.pass()
  })
}
