// A WHATWG WebSocket as a wire. Owns what differs from one platform to another; knows no other global than its constructor.
import { ClientError } from './errors.ts'
import type { ConnectSettings } from './types.ts'
import type { Payload } from './outgoing-queue.ts'
import type { Wire, WireEvents, WireTarget } from './wire.ts'

/** As much of the interface as is used here: its types are of another world (`lib: dom`). */
interface NativeSocket {
  binaryType: string
  readonly protocol: string
  readonly readyState: number
  readonly bufferedAmount: number
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: string | ArrayBuffer }) => void) | null
  onclose: ((event: { readonly code: number, readonly reason: string, readonly wasClean: boolean }) => void) | null
  onerror: ((event: object) => void) | null
  send (data: Payload): void
  close (code?: number, reason?: string): void
}

const OPEN = 1

/** Begins to connect. @throws {ClientError} `FST_WS_CLIENT_OPTION` for what the constructor does not take */
export function openNative (target: WireTarget, events: WireEvents, { webSocket }: ConnectSettings): Wire {
  const Native = webSocket ?? (globalThis as { WebSocket?: ConnectSettings['webSocket'] }).WebSocket // absent in some
  if (Native === undefined) throw new ClientError('OPTION', 'there is no WebSocket here')
  const { url, protocols, token } = target
  let socket: NativeSocket
  try {
    socket = new Native(String(url), token === undefined ? [...protocols] : [...protocols, 'bearer', token]) as NativeSocket // which it is by its documentation
  } catch (cause) {
    throw new ClientError('OPTION', cause, { cause })
  }
  // A browser's default is Blob, which gives its bytes later, when other messages have passed.
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => events.onOpen()
  socket.onmessage = ({ data }) => events.onMessage(data)
  // `error` says nothing that `close`, which follows, does not say as well; a listener keeps some from throwing it.
  socket.onerror = () => {}
  socket.onclose = ({ code, reason, wasClean }) => events.onClose({ code, reason, wasClean })
  return {
    get protocol () { return socket.protocol },
    get isOpen () { return socket.readyState === OPEN },
    get bufferedAmount () { return socket.bufferedAmount },
    send: (data) => socket.send(data),
    // Scripts may not use the codes of the protocol; 3000 more is an application's.
    close: (code = 1000, reason) => socket.close(code === 1000 || code >= 3000 ? code : code + 3000, reason),
    // There is nothing faster, and what still comes is for nobody.
    terminate: () => socket.close()
  }
}

/**
 * Refuses what no script can do.
 *
 * @throws {ClientError} `FST_WS_CLIENT_OPTION`
 */
export function checkNative ({ headers, tls }: ConnectSettings): void {
  if (headers ?? tls) throw new ClientError('OPTION', 'headers and tls are for Node')
}
