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

/**
 * Makes the stream. Without object mode it is a stream of bytes: a Text message is read as its UTF-8, what is written
 * goes as Binary, or as Text if it is written as a string.
 */
export function createMessageStream (endpoint: MessageEndpoint, options: DuplexOptions): Duplex {
  let readOn: (() => void) | undefined

  const onMessage = (message: unknown): Promise<void> | undefined => {
    // To a stream null is its end, and nothing else may follow.
    if (message === null) stream.destroy(new UsageError('FST_WS_UNSUPPORTED_DATA', 'got the message null, which a stream cannot carry'))
    else if (stream.push(message)) return undefined
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
      if (endpoint.readyState === ReadyState.OPEN) endpoint.sendAndWait(chunk).then(() => callback(), callback)
      else callback(new Error('write after the connection has closed'))
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
  endpoint.on('close', onClose)
  endpoint.on('message', onMessage)
  return stream
}
