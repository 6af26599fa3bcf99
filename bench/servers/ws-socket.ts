// What a server does with a socket of ws, bare or behind @fastify/websocket.
import type { ServerSettings } from './settings.ts'

/** What is used of it; the declarations of ws and of @fastify/websocket's own copy of it need not agree. */
export interface WsSocket {
  on (event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void
  send (data: string | Buffer, options?: { binary: boolean }): void
}

type Serve = (socket: WsSocket) => void

/** Options of ws for messages that are compressed, or not. */
export function deflateOptions ({ deflate }: ServerSettings): object {
  if (deflate === undefined) return {}
  const { level, context = false } = deflate
  const zlibDeflateOptions = level === undefined ? {} : { level }
  return { perMessageDeflate: { threshold: 0, serverNoContextTakeover: !context, clientNoContextTakeover: !context, zlibDeflateOptions } }
}

/** Makes what is done with each socket. @param clients - all of them */
export async function makeServe (settings: ServerSettings, clients: Iterable<WsSocket>): Promise<Serve> {
  if (settings.scenario !== 'typed') return (socket) => serve(socket, settings, clients)
  // Only here, so that the others' memory has no schemas in it.
  const { answerTyped } = await import('./typed.ts')
  return (socket) => socket.on('message', (data) => { socket.send(answerTyped(data.toString())) })
}

function serve (socket: WsSocket, { scenario, payload = '', atOnce = 1 }: ServerSettings, clients: Iterable<WsSocket>): void {
  switch (scenario) {
    case 'echo':
      // As it came, text too: its documented echo, and its cheapest.
      return socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) })
    case 'string':
      return socket.on('message', (data) => { socket.send(data.toString()) })
    case 'await':
      return socket.on('message', async (data, isBinary) => { socket.send(await data, { binary: isBinary }) })
    case 'broadcast':
    case 'publish':
      return socket.on('message', () => {
        for (let i = 0; i < atOnce; i++) {
          for (const client of clients) client.send(payload)
        }
      })
  }
}
