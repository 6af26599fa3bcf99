// What a server does with a socket of ws, bare or behind @fastify/websocket.
import { answerTyped } from './typed.ts'
import type { ServerSettings } from './settings.ts'

/** What is used of it; the declarations of ws and of @fastify/websocket's own copy of it need not agree. */
export interface WsSocket {
  on (event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void
  send (data: string | Buffer, options?: { binary: boolean }): void
}

export function serve (socket: WsSocket, { scenario, payload = '', atOnce = 1 }: ServerSettings, clients: Iterable<WsSocket>): void {
  switch (scenario) {
    case 'echo':
      // As it came, text too: its documented echo, and its cheapest.
      return socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) })
    case 'string':
      return socket.on('message', (data) => { socket.send(data.toString()) })
    case 'await':
      return socket.on('message', async (data, isBinary) => { socket.send(await data, { binary: isBinary }) })
    case 'typed':
      return socket.on('message', (data) => { socket.send(answerTyped(data.toString())) })
    case 'broadcast':
      return socket.on('message', () => {
        for (let i = 0; i < atOnce; i++) {
          for (const client of clients) client.send(payload)
        }
      })
  }
}
