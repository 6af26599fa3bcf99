// A published message in the two forms that subscribers get: as it is, or in the envelope of the control protocol. Each is made a frame
// once, and only if somebody wants it.
import { SharedMessage } from '../connection/shared-message.ts'
import type { TopicRecord } from '../../types/topics.ts'

export class OutgoingMessage {
  readonly record: TopicRecord
  #plain: SharedMessage | undefined
  #wrapped: SharedMessage | undefined

  constructor (record: TopicRecord) {
    this.record = record
  }

  get plain (): SharedMessage {
    const { data } = this.record
    return (this.#plain ??= new SharedMessage(typeof data === 'string' ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength)))
  }

  /** Bytes have no place in JSON: they go as they are. */
  get wrapped (): SharedMessage {
    const { data } = this.record
    return typeof data === 'string' ? (this.#wrapped ??= new SharedMessage(wrap(this.record, data))) : this.plain
  }
}

/** Around JSON that has been written once already. */
function wrap ({ topic, isJson, position }: TopicRecord, data: string): string {
  const place = position === undefined ? '' : `,"epoch":${JSON.stringify(position.epoch)},"offset":${position.offset}`
  return `{"type":"ws:message","topic":${JSON.stringify(topic)}${place},"message":${isJson ? data : JSON.stringify(data)}}`
}
