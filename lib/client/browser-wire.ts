// A WHATWG WebSocket as a wire. Owns what differs from one platform to another; knows no other global than its constructor.
import { ClientError } from './errors.ts'
import type { ConnectSettings } from './option-types.ts'
import type { Wire, WireEvents, WireTarget } from './wire.ts'

/** As much of the interface as is used here: its types are of another world (`lib: dom`). */
interface NativeSocket extends Wire {
  binaryType: string
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: string | ArrayBuffer }) => void) | null
  onclose: ((event: { readonly code: number, readonly reason: string, readonly wasClean: boolean }) => void) | null
  onerror: ((event: object) => void) | null
}

/** Begins to connect. @throws {ClientError} `FST_WS_CLIENT_OPTION` for what the constructor does not take */
export function openNative (target: WireTarget, events: WireEvents, { webSocket }: ConnectSettings): Wire {
  const { url, protocols, token } = target
  let socket: NativeSocket
  try {
    socket = new (webSocket ?? (globalThis as { WebSocket?: typeof webSocket }).WebSocket!)(url.href, protocols.concat(token === undefined ? [] : ['bearer', token])) as NativeSocket // which it is by its documentation; where there is none, that throws as well
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
  return socket
}

/**
 * Refuses what no script can do.
 *
 * @throws {ClientError} `FST_WS_CLIENT_OPTION`
 */
export function checkNative ({ headers, tls }: ConnectSettings): void {
  if (headers ?? tls) throw new ClientError('OPTION', 'headers, tls: Node only')
}
