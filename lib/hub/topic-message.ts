// A published message in the two forms that subscribers get: as it is, or in the envelope of the control protocol. Each is made a frame
// once, and only if somebody wants it.
import { SharedMessage } from '../connection/shared-message.ts'
import type { TopicPosition, TopicRecord } from '../../types/topics.ts'

export class OutgoingMessage {
  readonly record: TopicRecord
  #plain: SharedMessage | undefined
  #wrapped: SharedMessage | undefined
  #excluded: ReadonlySet<string> | undefined

  constructor (record: TopicRecord) {
    this.record = record
  }

  /** Not a message, but what is told in its place where some are lost: to those alone who get the envelope. */
  static lost (topic: string, position: TopicPosition | undefined): OutgoingMessage {
    const notice = new OutgoingMessage({ topic, data: '', isJson: false, ...(position && { position }) })
    notice.#wrapped = new SharedMessage(JSON.stringify({ type: 'ws:lost', topic, ...position }))
    return notice
  }

  /** True where the record says that this connection does not get it. @param id - undefined for one that nobody has asked for it */
  excludes (id: string | undefined): boolean {
    const { exclude } = this.record
    // One whose id nobody knows is in no list.
    if (exclude === undefined || id === undefined) return false
    if (exclude.length === 1) return exclude[0] === id
    return (this.#excluded ??= new Set(exclude)).has(id)
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

/** What a client is told whose subscription the application has ended. */
export function endNotice (topic: string): SharedMessage {
  const error = { code: 'FST_WS_TOPIC_FORBIDDEN', message: 'the server has ended the subscription', statusCode: 403 }
  return new SharedMessage(JSON.stringify({ type: 'ws:error', topic, error }))
}

/** Around JSON that has been written once already. */
function wrap ({ topic, isJson, position }: TopicRecord, data: string): string {
  const place = position === undefined ? '' : `,"epoch":${JSON.stringify(position.epoch)},"offset":${position.offset}`
  return `{"type":"ws:message","topic":${JSON.stringify(topic)}${place},"message":${isJson ? data : JSON.stringify(data)}}`
}
