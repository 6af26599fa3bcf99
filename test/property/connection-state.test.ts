// T56 T59: a Connection on a socket, whatever its application and its peer do, in any order: one `close` that tells the truth,
// messages in order and none behind it, no fault that nothing has caused, nothing that escapes, no timer left.
import fc from 'fast-check'
import t from 'tap'
import { Connection } from '../../lib/connection/connection.ts'
import type { ConnectionSettings } from '../../lib/connection/connection.ts'
import { LimitError } from '../../lib/connection/limit-error.ts'
import { ProtocolError, UsageError } from '../../lib/protocol/errors.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { parameters, SEED } from '../helpers/arbitrary-frames.ts'
import { closeCallsOf, openSockets, Peer, settingsWith, turns, untilTrue } from '../helpers/connection-pair.ts'
import type { CloseCall } from '../helpers/connection-pair.ts'
import { escaped } from '../helpers/guard.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

t.comment(`seed ${SEED}`)
t.setTimeout(600_000)

const THROWN = 'thrown by a listener'

type Listening = 'at once' | 'in an async handler' | 'never' | 'throws' | 'rejects' | 'slowly' | 'by a loop' | 'by a stream'

/** One connection and what has been done to it. */
class Scene {
  readonly connection: Connection
  readonly peer: Peer
  readonly calls: CloseCall[]
  readonly faults: Error[] = []
  /** What each listener got, in its order. */
  readonly got = new Map<string, number[]>()
  /** What first wanted an end, in order. */
  readonly endings: string[] = []
  readonly peerCodes: number[] = []
  /** Messages that the peer has sent before any end. */
  sent = 0
  late = 0
  unexpected: unknown
  readonly #listener = (message: unknown): void => this.note('listener', message)

  constructor (connection: Connection, peer: Peer) {
    this.connection = connection
    this.peer = peer
    this.calls = closeCallsOf(connection)
  }

  note (who: string, message: unknown): void {
    if (this.calls.length > 0) this.late++
    const text = String(message)
    const got = this.got.get(who) ?? []
    this.got.set(who, got)
    if (/^\d+$/.test(text)) got.push(Number(text))
    else if (!text.startsWith('part')) this.unexpected = text
  }

  listen (): void { this.connection.on('message', this.#listener) }
  unlisten (): void { this.connection.off('message', this.#listener) }
  end (what: string): void { this.endings.push(what) }

  get peerMayWrite (): boolean { return !this.peer.socket.destroyed && !this.peer.socket.writableEnded }
  write (bytes: Uint8Array): void { if (this.peerMayWrite) this.peer.socket.write(bytes) }
}

/** Calls that a connection must refuse at the caller, whatever its state. */
function misuse ({ connection }: Scene): void {
  for (const call of [() => connection.close(1006), () => connection.send(1), () => connection.ping('x'.repeat(126)), () => connection.close(1000, 'x'.repeat(124))]) {
    try {
      call()
    } catch (error) {
      if (error instanceof UsageError) continue
      throw error
    }
    throw new Error('not refused')
  }
}

const local: Readonly<Record<string, (scene: Scene) => unknown>> = {
  send: ({ connection }) => connection.send('text'),
  'send much': ({ connection }) => connection.send(Buffer.alloc(100_000)),
  // more than the kernel takes while the peer, in this process, has no turn
  'send too much': ({ connection }) => { for (let i = 0; i < 40 && connection.bufferedAmount < 500_000; i++) connection.send(Buffer.alloc(200_000)) },
  'send and wait': ({ connection }) => connection.sendAndWait('text').catch((error: { code?: unknown }) => error.code),
  ping: ({ connection }) => connection.ping('mine'),
  pong: ({ connection }) => connection.pong('mine'),
  misuse,
  pause: ({ connection }) => connection.pause(),
  resume: ({ connection }) => connection.resume(),
  listen: (scene) => scene.listen(),
  unlisten: (scene) => scene.unlisten(),
  'listen once': (scene) => scene.connection.once('message', (message: unknown) => scene.note('once', message)),
  signal: ({ connection }) => connection.signal,
  close: (scene) => { scene.end('close'); scene.connection.close(4001, 'mine') },
  'close without a code': (scene) => { scene.end('close'); scene.connection.close() },
  'close behind what came': (scene) => { scene.end('close'); scene.connection.closeAfterDelivery(1001) },
  terminate: (scene) => { scene.end('terminate'); scene.connection.terminate() }
}

const remote: Readonly<Record<string, (scene: Scene) => unknown>> = {
  text: (scene) => scene.write(scene.peer.frame(1, `${scene.sent++}`)),
  'three texts': (scene) => scene.write(Buffer.concat([0, 1, 2].map(() => scene.peer.frame(1, `${scene.sent++}`)))),
  'half a frame': (scene) => {
    const frame = scene.peer.frame(1, `${scene.sent++}`)
    scene.write(frame.subarray(0, 3))
    scene.write(frame.subarray(3))
  },
  fragments: (scene) => {
    const masked = scene.peer.frame(1)[1] === 0x80
    const more = (opcode: number, payload: string, fin: boolean): Buffer => encodeFrame({ opcode, payload, fin, ...(masked ? {} : { mask: null }) })
    scene.write(Buffer.concat([more(1, 'part', false), scene.peer.frame(9, 'in'), more(0, '', false), more(0, 'end', true)]))
  },
  'peer pings': (scene) => scene.write(scene.peer.frame(9, 'theirs')),
  'peer pongs': (scene) => scene.write(scene.peer.frame(10, 'mine')),
  'peer stops reading': ({ peer }) => { peer.socket.pause() },
  'peer reads on': ({ peer }) => { peer.socket.resume() },
  'peer closes': (scene) => {
    if (!scene.peerMayWrite) return
    scene.end('peer closes')
    scene.peerCodes.push(4002)
    scene.peer.close(4002, 'theirs')
  },
  'peer closes without a code': (scene) => {
    if (!scene.peerMayWrite) return
    scene.end('peer closes')
    scene.peerCodes.push(1005)
    scene.peer.close()
  },
  'peer ends': (scene) => { scene.end('peer ends'); scene.peer.socket.end() },
  'peer ends in a frame': (scene) => {
    scene.end('peer ends')
    scene.write(scene.peer.frame(1, 'half').subarray(0, -1))
    scene.peer.socket.end()
  },
  'peer resets': (scene) => {
    scene.end('peer resets')
    // Node never closes a socket that is reset while its FIN is on its way
    if (scene.peer.socket.writableEnded) scene.peer.socket.destroy()
    else scene.peer.socket.resetAndDestroy()
  },
  'peer sends rubbish': (scene) => { if (scene.peerMayWrite) scene.end('rubbish'); scene.write(Buffer.from([0xff, 0xff])) },
  'peer sends too much': (scene) => {
    if (scene.peerMayWrite) scene.end('rubbish')
    scene.write(encodeFrame({ opcode: 2, announced: 100_000n, ...(scene.peer.frame(1)[1] === 0x80 ? {} : { mask: null }) }))
  }
}

const ENDINGS = /^(close|terminate|peer (closes|ends|resets|sends))/
const names = [...Object.keys(local), ...Object.keys(remote)]
const action = fc.oneof(
  { weight: 8, arbitrary: fc.constant('turn') },
  { weight: 16, arbitrary: fc.constantFrom(...names.filter((name) => !ENDINGS.test(name))) },
  { weight: 1, arbitrary: fc.constantFrom(...names.filter((name) => ENDINGS.test(name))) }
)

const handlers: Readonly<Record<Listening, (scene: Scene) => unknown>> = {
  'at once': (scene) => scene.connection.on('message', (message: unknown) => scene.note('handler', message)),
  async 'in an async handler' (scene) { await turns(3); scene.connection.on('message', (message: unknown) => scene.note('handler', message)) },
  never: () => {},
  throws: (scene) => scene.connection.on('message', (message: unknown) => { scene.note('handler', message); throw new Error(THROWN) }),
  rejects: (scene) => scene.connection.on('message', async (message: unknown) => { scene.note('handler', message); await turns(1); throw new Error(THROWN) }),
  slowly: (scene) => scene.connection.on('message', async (message: unknown) => { scene.note('handler', message); await turns(2) }),
  async 'by a loop' (scene) { for await (const message of scene.connection) scene.note('handler', message) },
  'by a stream': (scene) => { scene.connection.createStream({ readableObjectMode: true, encoding: 'utf8' }).on('data', (message: unknown) => scene.note('handler', message)).on('error', () => {}) }
}

/** Limits that end a connection too, or hold it up; half of all connections have none. */
const limits: Readonly<Record<string, Partial<ConnectionSettings>>> = {
  none: {},
  'messages, close': { rateLimit: { messages: 2, perSeconds: 1, onLimit: 'close' } },
  'messages, pause': { rateLimit: { messages: 2, perSeconds: 0.01, onLimit: 'pause' } },
  'bytes, close': { rateLimit: { bytes: 30, perSeconds: 1, onLimit: 'close' } },
  'slow, close': { maxBufferedAmount: 50_000 },
  'slow, drop': { maxBufferedAmount: 50_000, slowConsumer: 'drop' },
  lifetime: { maxLifetime: 3 },
  heartbeat: { heartbeat: { interval: 2, timeout: 2 } }
}

const settings: fc.Arbitrary<Partial<ConnectionSettings>> = fc.record({
  concurrency: fc.constantFrom(1, 3),
  maxQueuedMessages: fc.constantFrom(0, 2, 16),
  highWaterMark: fc.constantFrom(0, 65_536)
})
const limit = fc.oneof(fc.constant('none'), fc.constantFrom(...Object.keys(limits)))

/** Tells what is wrong with a scene that is over, or nothing. */
function judge ({ connection, calls, faults, got, late, peer, endings, peerCodes, unexpected }: Scene, listening: Listening, limit: string): string | undefined {
  const limitError = faults.find((error) => error instanceof LimitError)
  if (limit !== 'none' && (limitError !== undefined || limit === 'lifetime')) endings.push('limit')
  const [call] = calls
  if (call === undefined || calls.length !== 1) return `${calls.length} events of close`
  if (late > 0) return `${late} messages behind close`
  if (connection.readyState !== 3 || !connection.signal.aborted) return 'not closed'
  if (connection.send('x') || connection.bufferedAmount < 0) return 'sends behind close'
  if (peer.fault !== undefined) return `the peer got ${String(peer.fault)}`
  if (unexpected !== undefined) return `a message that nobody sent: ${String(unexpected)}`
  for (const [who, numbers] of got) {
    // the same listener may be attached twice
    const isInOrder = numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0) || (who !== 'handler' && n === numbers[i - 1]))
    if (!isInOrder) return `${who} out of order: ${numbers.join()}`
  }

  const { code, wasClean, initiator } = call
  const isOurs = (what: string): boolean => ['close', 'terminate', 'rubbish', 'limit'].includes(what)
  if (wasClean && !peerCodes.includes(code)) return `clean with ${code}, which the peer has not sent`
  // its Close frame has come, and something cut its answer off
  const isUnanswered = peerCodes.includes(code) && endings.length > 1
  const isFailed = endings.includes('rubbish') && (code === 1002 || code === 1009) && initiator === 'local'
  const isLimited = code === limitError?.closeCode && initiator === 'local'
  if (!wasClean && code !== 1006 && !isUnanswered && !isFailed && !isLimited) return `${code} and not clean`
  if (initiator === 'local' && !endings.some(isOurs)) return 'nobody here has ended it'
  if (initiator === 'remote' && endings.every(isOurs)) return 'the peer has not ended it'
  // a stream that is destroyed or finished ends the connection by itself
  if (listening !== 'by a stream' && limit === 'none' && endings[0] === 'terminate' && (code !== 1006 || initiator !== 'local')) return 'terminated first'

  for (const error of faults) {
    if (error instanceof ProtocolError && endings.includes('rubbish')) continue
    if (error.message === THROWN || (error === limitError && limit !== 'none')) continue
    if ('syscall' in error && (endings.includes('peer resets') || endings.includes('peer ends'))) continue
    return `a fault of nobody: ${error.stack}`
  }
  return undefined
}

const seen = new Map<string, number>()

async function play (role: Role, options: Partial<ConnectionSettings>, limit: string, listening: Listening, actions: readonly string[], answers: boolean): Promise<string | undefined> {
  const { near, far } = await openSockets()
  const peer = new Peer(far, role === 'server')
  const connection = new Connection(near, settingsWith({ role, maxPayload: 1000, closeTimeout: 5, ...options, ...limits[limit], onError (error) { scene.faults.push(error) } }))
  const scene = new Scene(connection, peer)
  connection.start(Buffer.alloc(0), () => handlers[listening](scene))
  for (const name of actions) {
    if (name === 'turn') await turns(1)
    else void (local[name] ?? remote[name])?.(scene)
  }
  const isEndedBefore = scene.endings.length > 0
  // what waits in the sockets is read now, so that it counts as before the end
  peer.socket.resume()
  connection.resume()
  await turns(5)
  if (connection.readyState < 2) scene.end('close')
  connection.close(1000)
  if (answers && scene.peerMayWrite) {
    scene.peerCodes.push(1000)
    peer.close(1000)
  }
  await untilTrue(() => scene.calls.length > 0)
  await turns(3)
  far.destroy()
  near.destroy()
  // all that a listener from the start could get before an end, it has got
  const lost = listening === 'at once' && limit === 'none' && !isEndedBefore ? scene.sent - (scene.got.get('handler')?.length ?? 0) : 0
  const ending = scene.calls[0]
  const key = `${ending?.code} ${ending?.wasClean} ${ending?.initiator}${limit !== 'none' && scene.faults.some((error) => error instanceof LimitError) ? `, ${limit}` : ''}`
  seen.set(key, (seen.get(key) ?? 0) + 1)
  return judge(scene, listening, limit) ?? (lost > 0 ? `${lost} messages lost` : undefined) ?? (escaped.length > 0 ? `escaped: ${escaped.join()}` : undefined)
}

const countTimers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'TCPSocketWrap').length

t.test('T56 T59 any order of local and remote actions', async (t) => {
  await fc.assert(fc.asyncProperty(
    fc.constantFrom<Role>('server', 'client'), settings, limit, fc.constantFrom(...Object.keys(handlers) as Listening[]), fc.array(action, { maxLength: 24 }), fc.boolean(),
    async (role, options, limited, listening, actions, answers) => {
      const wrong = await play(role, options, limited, listening, actions, answers)
      if (wrong !== undefined) throw new Error(wrong)
    }
  ), parameters(600))
  t.comment([...seen].map(([ending, count]) => `${ending}: ${count}`).join(', '))
  for (const ending of ['4002 true remote', '1000 true local', '1005 true remote', '1006 false local', '1006 false remote', '1002 false local', '1008 false local, messages, close', '1013 false local, slow, close']) t.ok(seen.has(ending), `${ending} came up`)
  await untilTrue(() => countTimers() === 0)
  t.same(escaped, [])
})
