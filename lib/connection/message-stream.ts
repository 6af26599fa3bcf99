// A connection as a Duplex: messages are what is read, what is written becomes messages. Owns backpressure both ways.
import { Duplex } from 'node:stream'
import type { DuplexOptions } from 'node:stream'
import type { Listener } from './listeners.ts'
import { UsageError } from '../protocol/errors.ts'
import { ReadyState } from '../protocol/state.ts'

/** What a stream needs of a connection. */
export interface MessageEndpoint {
  readonly readyState: number
  on (event: string, listener: Listener): unknown
  off (event: string, listener: Listener): unknown
  sendAndWait (message: unknown): Promise<void>
  closeAfterDelivery (code?: number, reason?: string): void
  terminate (): void
}

/** Tells errors that say no more than that the end has come: written behind it, or left by `break`. */
function isPartOfTheEnd ({ code }: NodeJS.ErrnoException): boolean {
  return code === 'FST_WS_NOT_OPEN' || code === 'ERR_STREAM_WRITE_AFTER_END' || code === 'ABORT_ERR'
}

/**
 * Makes the stream. Without object mode it is a stream of bytes: a Text message is read as its UTF-8, what is written
 * goes as Binary, or as Text if it is written as a string.
 *
 * @param own - makes of a message what may be kept
 * @param onFault - gets errors of the stream that the application does not listen for
 */
export function createMessageStream (
  endpoint: MessageEndpoint, own: (message: unknown) => unknown, options: DuplexOptions, onFault: (reason: unknown) => void
): Duplex {
  let readOn: (() => void) | undefined

  const onMessage = (message: unknown): Promise<void> | undefined => {
    // To a stream null is its end, and nothing else may follow.
    if (message === null) stream.destroy(new UsageError('FST_WS_UNSUPPORTED_DATA', 'got the message null, which a stream cannot carry'))
    else if (stream.push(own(message))) return undefined
    return new Promise((resolve) => { readOn = resolve })
  }
  const onClose = (): void => {
    if (!stream.destroyed) stream.push(null)
    if (!stream.writableEnded) stream.end()
  }
  const stream = new Duplex({
    // A string that is written stays one, so that it goes as Text.
    decodeStrings: false,
    ...options,
    read () {
      readOn?.()
      readOn = undefined
    },
    write (chunk, _encoding, callback) {
      endpoint.sendAndWait(chunk).then(() => callback(), callback)
    },
    final (callback) {
      if (endpoint.readyState === ReadyState.CLOSED) {
        callback()
        return
      }
      endpoint.on('close', () => callback())
      endpoint.closeAfterDelivery()
    },
    destroy (error, callback) {
      endpoint.off('message', onMessage)
      readOn?.()
      if (endpoint.readyState !== ReadyState.CLOSED) endpoint.terminate()
      callback(error)
    }
  })
  // Without a listener an error of a stream ends the process. What the application listens for is its own.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (stream.listenerCount('error') === 1 && !isPartOfTheEnd(error)) onFault(error)
  })
  endpoint.on('close', onClose)
  endpoint.on('message', onMessage)
  return stream
}
