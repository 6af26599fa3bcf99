// `ftws subscribe`: the messages of a topic, by the client's own subscription.
import { Client } from '../client/client.ts'
import { checkNode, isRefusal, NodeWire } from '../client/node-wire.ts'
import type { TopicPlace } from '../client/types.ts'
import type { Arguments } from './arguments.ts'
import { loadTopic, readContract } from './contract-file.ts'
import { describeEnd, describeError, ExitCode, exitCodeOf, Failure, UsageFault } from './faults.ts'
import { Incoming } from './incoming.ts'
import { Outlet } from './outlet.ts'
import { tell as tellTo } from './printer.ts'
import type { Streams } from './streams.ts'
import { readTarget } from './target.ts'

/** How long a server that is connected may leave a subscription without an answer, in ms, before somebody is told. */
const PATIENCE = 5_000

/**
 * Resolves with the exit code, when it has ended.
 *
 * @param patience - in place of the usual one
 */
export async function subscribeCommand (args: Arguments, { stdout, stderr }: Streams, signal: AbortSignal, patience: number = PATIENCE): Promise<ExitCode> {
  const target = readTarget(args)
  const [, topic = ''] = args.positionals
  const since = readPlace(args.text('since'))
  const most = args.integer('count', Infinity, 1)
  const judge = await readContract(args, (path) => loadTopic(path, topic))
  const tell = (text: string): void => tellTo(stderr, text)

  let place = since
  let count = 0
  let wire: NodeWire | undefined
  const client = new Client(target.contract, target.options, {
    origin: undefined,
    check: checkNode,
    isRefusal,
    open: (wireTarget, events, options) => (wire = new NodeWire(wireTarget, {
      ...events,
      onMessage (data) {
        // The client keeps places for itself, and this tells the last one.
        if (count < most && !outlet.isBroken) place = findPlace(data, topic, place)
        events.onMessage(data)
      }
    }, options))
  })
  client.on('reconnecting', (retry: Parameters<typeof describeEnd>[0] & { readonly delay: number }) => {
    tell(`${describeEnd(retry, target.place)}; again in ${Math.round(retry.delay)} ms`)
  })
  client.on('lost', () => tell(`what came since ${since === undefined ? 'the connection broke' : 'then'} is not to be had any more, or not all of it`))
  // Failed attempts are told as such.
  client.on('error', () => {})
  // What is no message of the topic.
  client.on('message', () => {})
  const close = (): void => {
    // Paused, it would not see the server's answer.
    wire?.resume()
    client.close()
  }
  const outlet = new Outlet(stdout, { json: args.flag('json'), timestamps: args.flag('timestamps') }, {
    pause: () => wire?.pause(),
    resume: () => wire?.resume(),
    onBroken: close
  })
  const incoming = new Incoming({ judge, isStrict: args.flag('strict'), tell, onRefused: close })
  signal.addEventListener('abort', close)

  // A route without topics takes the request for a message of its own, and may say nothing for ever.
  let asking: NodeJS.Timeout | undefined
  client.once('open', () => {
    asking = setTimeout(() => {
      tell(`connected, but the server has not answered the subscription in ${patience} ms: does this route let clients use topics?`)
    }, patience)
  })
  const listener = (message: unknown): void => {
    if (count >= most) return
    const text = JSON.stringify(message)
    outlet.print(text)
    count++
    incoming.look(text)
    if (count >= most) close()
  }
  let refusal: unknown
  client.subscribe(topic, listener, { since }).then(
    (subscription) => {
      clearTimeout(asking)
      if (stderr.isTTY === true) tell(`subscribed to ${topic}; Ctrl+C ends it`)
      subscription.on('error', (error: Error) => { refuse(error) })
    },
    refuse
  )
  function refuse (error: unknown): void {
    if (client.state === 'closed') return
    refusal = error
    close()
  }

  const end = await client.closed
  clearTimeout(asking)
  if (place !== undefined) tell(`to go on from here: --since ${place.epoch}:${place.offset}`)
  if (refusal !== undefined) throw new Failure(describeError(refusal, target.place))
  if (outlet.isBroken) return ExitCode.Fine
  const code = exitCodeOf(end)
  if (code !== ExitCode.Fine) throw new Failure(describeEnd(end, target.place), code)
  if (incoming.isRefused) return ExitCode.Failed
  if (count < most && most !== Infinity && !signal.aborted) throw new Failure(`${count} of ${most} messages came before the end: ${describeEnd(end, target.place)}`)
  return ExitCode.Fine
}

/** Reads `epoch:offset`. @throws {UsageFault} */
export function readPlace (text: string | undefined): TopicPlace | undefined {
  if (text === undefined) return undefined
  const [, epoch, offset] = /^(.+):(\d+)$/.exec(text) ?? []
  if (epoch === undefined) throw new UsageFault(`--since must be epoch:offset, got ${JSON.stringify(text)}`)
  return { epoch, offset: Number(offset) }
}

/** Finds where in its history a topic is behind a message of the server's. */
export function findPlace (data: string | ArrayBuffer, topic: string, before: TopicPlace | undefined): TopicPlace | undefined {
  if (typeof data !== 'string' || !data.includes('"ws:')) return before
  try {
    const control = JSON.parse(data)
    // What was recovered follows, and each message has its offset.
    const isPlace = control.topic === topic && (control.type === 'ws:message' || (control.type === 'ws:ack' && control.recovered !== true))
    const { epoch = before?.epoch, offset } = control
    return isPlace && typeof epoch === 'string' && Number.isInteger(offset) ? { epoch, offset } : before
  } catch {
    return before
  }
}
