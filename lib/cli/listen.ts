// `ftws listen`: a server on node:http and this package's own handshake, which sends back what it gets. Owns its connections.
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { defer } from '../client/deferred.ts'
import { Connection } from '../connection/connection.ts'
import type { ConnectionSettings } from '../connection/connection.ts'
import { DEFLATE_DEFAULTS, deflateSettings } from '../connection/deflate/settings.ts'
import { acceptDeflate } from '../protocol/deflate-offer.ts'
import { formatExtensions } from '../protocol/extensions.ts'
import { HandshakeError } from '../protocol/handshake-errors.ts'
import { buildResponseHeaders, judgeRequest } from '../protocol/handshake.ts'
import { readNumber } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { describeError, ExitCode, Failure, UsageFault } from './faults.ts'
import { Outlet } from './outlet.ts'
import { tell as tellTo } from './printer.ts'
import type { Streams } from './streams.ts'

const SETTINGS = {
  role: 'server', maxPayload: 104_857_600, closeTimeout: 2_000, highWaterMark: 65_536, concurrency: 1, maxQueuedMessages: 16
} as const

const PLAIN_ANSWER = 'This is a WebSocket server (ftws listen).\n'

/** Resolves with the exit code when `signal`, or nobody reading what it prints, has ended it. */
export async function listenCommand (args: Arguments, { stdout, stderr }: Streams, signal: AbortSignal): Promise<ExitCode> {
  const [portText = ''] = args.positionals
  const port = readNumber('the port', portText, 0)
  if (!Number.isInteger(port) || port > 65_535) throw new UsageFault(`the port must be an integer up to 65535, got ${portText}`)
  const host = args.text('host') ?? '127.0.0.1'
  const echoes = !args.flag('log')
  const isQuiet = args.flag('quiet')
  const tell = (text: string): void => tellTo(stderr, text)
  const connections = new Set<Connection>()
  let count = 0
  const ended = defer()
  if (signal.aborted) ended.resolve()
  signal.addEventListener('abort', () => ended.resolve())
  const forAll = (call: (connection: Connection) => void) => (): void => { for (const connection of connections) call(connection) }
  const outlet = new Outlet(stdout, { json: args.flag('json'), timestamps: args.flag('timestamps') }, {
    pause: forAll((connection) => connection.pause()),
    resume: forAll((connection) => connection.resume()),
    onBroken: () => ended.resolve()
  })

  const server = createServer((_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'Upgrade' }).end(PLAIN_ANSWER)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const number = ++count
    const connection = accept(request, socket, args, (error) => { if (!isQuiet) tell(`#${number} ${error.message}`) })
    if (connection === undefined) return
    connections.add(connection)
    if (!isQuiet) tell(`#${number} connected: ${request.url ?? ''}`)
    connection.on('close', (code: number, reason: string) => {
      connections.delete(connection)
      if (!isQuiet) tell(`#${number} closed: ${code} ${reason}`.trimEnd())
    })
    connection.start(head, () => {
      connection.on('message', (data: string | Buffer) => {
        if (!isQuiet) outlet.print(data)
        // A client that does not read what comes back is itself read no further.
        if (echoes) connection.send(data)
      })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Failure(describeError(error, `${host}:${port}`)))).listen(port, host, resolve)
    // It goes on without a connection that it had no file descriptor for.
    server.on('error', () => {})
  })
  const address = server.address() as AddressInfo // it listens on TCP
  tell(`listening on ws://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}; Ctrl+C ends it`)

  await ended.promise
  const closed = new Promise((resolve) => server.close(resolve))
  for (const connection of connections) {
    // Paused, it would not see the client's answer.
    connection.resume()
    connection.close(1001)
  }
  server.closeAllConnections()
  await Promise.all([closed, ...Array.from(connections, (connection) => new Promise((resolve) => connection.on('close', resolve)))])
  return ExitCode.Fine
}

/** Answers a handshake. @returns undefined when it was refused */
function accept (request: IncomingMessage, socket: Duplex, args: Arguments, onError: (error: Error) => void): Connection | undefined {
  // Until the connection has the socket; a client that leaves before is nobody's loss.
  socket.on('error', () => {})
  try {
    const { method = '', httpVersion, rawHeaders } = request
    const handshake = judgeRequest({ method, httpVersion, rawHeaders })
    const protocol = handshake.protocols.find((name) => args.list('subprotocol').includes(name))
    const agreed = args.flag('compress') ? acceptDeflate(handshake.extensions, DEFLATE_DEFAULTS) : undefined
    const extensions = agreed && formatExtensions([agreed.extension])
    const fields = buildResponseHeaders(handshake, { protocol, extensions })
    const settings: ConnectionSettings = {
      ...SETTINGS,
      ...(agreed !== undefined && { deflate: deflateSettings(agreed.params, 'server', DEFLATE_DEFAULTS) }),
      onError
    }
    socket.write(head('101 Switching Protocols', fields))
    return new Connection(socket, settings, { protocol })
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error
    onError(error)
    socket.end(head(`${error.statusCode} Refused`, { ...error.headers, connection: 'close', 'content-length': '0' }))
    return undefined
  }
}

function head (status: string, fields: Readonly<Record<string, string>>): string {
  return `HTTP/1.1 ${status}\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}
