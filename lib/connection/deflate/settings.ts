// How the messages of a connection are compressed (RFC 7692 §7): what was agreed on, as this end sees it, and what its route has chosen.
import type { DeflateParams, DeflateWish } from '../../protocol/deflate-offer.ts'
import type { Role } from '../../protocol/role.ts'

/** What a route has chosen for the messages that it sends. */
export interface DeflateTuning {
  /** Bytes from which on a message is compressed. */
  readonly threshold: number
  /** zlib's: 1 is quick, 9 is small. */
  readonly level: number
  /** zlib's, 1 to 9: memory for the compressor's tables. */
  readonly memLevel: number
  /** zlib's handles are kept and used again, which takes what Node does not document; where that is not there nothing changes. Default: true. */
  readonly keepsHandles?: boolean
}

/** What costs least, for no window lasts longer than a message: the defaults of routes, of clients and of the command line. */
export const DEFLATE_DEFAULTS: DeflateWish & DeflateTuning = Object.freeze({
  threshold: 1_024,
  level: 1,
  memLevel: 8,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15
})

/** One object for all connections that agree on the same. */
export interface DeflateSettings extends DeflateTuning {
  /** How far what this end sends looks back, as the power of two: 8 to 15. */
  readonly sendBits: number
  /** This end looks back to earlier messages. */
  readonly sendsContext: boolean
  readonly receiveBits: number
  /** The peer does. */
  readonly receivesContext: boolean
}

/** Up to this window, in bits, the quick levels of zlib find next to nothing. */
const SMALL_WINDOW = 10
const LEVEL_OF_SMALL_WINDOW = 6

/** Sees what was agreed on from one end. */
export function deflateSettings (params: DeflateParams, role: Role, tuning: DeflateTuning): DeflateSettings {
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = params
  const server = { bits: serverMaxWindowBits, context: !serverNoContextTakeover }
  const client = { bits: clientMaxWindowBits, context: !clientNoContextTakeover }
  const [own, peer] = role === 'server' ? [server, client] : [client, server]
  const { threshold, level, memLevel, keepsHandles = true } = tuning
  return Object.freeze({
    threshold, level: own.bits <= SMALL_WINDOW ? Math.max(level, LEVEL_OF_SMALL_WINDOW) : level, memLevel, keepsHandles, sendBits: own.bits, sendsContext: own.context, receiveBits: peer.bits, receivesContext: peer.context
  })
}
