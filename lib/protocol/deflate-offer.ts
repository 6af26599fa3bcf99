// What two ends agree on for permessage-deflate (RFC 7692 §7.1): the client's offer, the server's answer, and how each is judged.
// Owns the parameters and their rules; knows no header field and no zlib.
import type { ExtensionOffer, ExtensionParam } from './extensions.ts'
import { HandshakeError } from './handshake-errors.ts'

/** The extension's name (RFC 7692 §7). */
export const EXTENSION_NAME = 'permessage-deflate'

/** What both ends have agreed on (§7.1). */
export interface DeflateParams {
  /** The server begins each message with an empty window. */
  readonly serverNoContextTakeover: boolean
  /** The client does. */
  readonly clientNoContextTakeover: boolean
  /** The server looks back 2 ** bits bytes at most: 8 to 15, and 15 when nobody limits it. */
  readonly serverMaxWindowBits: number
  /** The client does. */
  readonly clientMaxWindowBits: number
}

/** What one end wants, in the names of a route's options: a flag that is false and 15 bits ask for nothing. */
export interface DeflateWish {
  readonly serverNoContextTakeover: boolean
  readonly clientNoContextTakeover: boolean
  readonly serverMaxWindowBits: number
  readonly clientMaxWindowBits: number
}

export interface DeflateAgreement {
  readonly params: DeflateParams
  /** What goes into the answer. */
  readonly extension: ExtensionOffer
}

/** A window of 32 KiB, the largest there is: no limit. */
const MAX_BITS = 15

/** 8 to 15 as §7.1.2 has it: in decimal, and without a zero before it. */
const BITS = /^(?:[89]|1[0-5])$/

const SERVER_FRESH = 'server_no_context_takeover'
const CLIENT_FRESH = 'client_no_context_takeover'
const SERVER_BITS = 'server_max_window_bits'
const CLIENT_BITS = 'client_max_window_bits'

/** Which values each parameter may have in an offer; an answer's are the same, but that no window goes without one. */
const VALUES: ReadonlyMap<string, (value: string | undefined) => boolean> = new Map([
  [SERVER_FRESH, isAbsent],
  [CLIENT_FRESH, isAbsent],
  [SERVER_BITS, isBits],
  [CLIENT_BITS, (value: string | undefined) => isAbsent(value) || isBits(value)]
])

/**
 * Accepts the first offer that can be kept, as a server (§5.1, §7.1).
 *
 * An offer with a parameter that is unknown, repeated or malformed is declined and the next one looked at: none can fail a
 * handshake.
 *
 * @param offers - a client's, of any extension, in its order of preference
 * @returns `undefined` when there is none: the connection goes uncompressed
 */
export function acceptDeflate (offers: readonly ExtensionOffer[], wish: DeflateWish): DeflateAgreement | undefined {
  for (const offer of offers) {
    const agreement = isDeflate(offer) && isWellFormed(offer) ? acceptOffer(offer, wish) : undefined
    if (agreement !== undefined) return agreement
  }
  return undefined
}

/** Makes a client's offer. It always lets the server limit the client's window (§7.1.2.2), and names the client's own limit if it has one. */
export function offerDeflate (wish: DeflateWish): ExtensionOffer {
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = wish
  const params: ExtensionParam[] = []
  if (serverNoContextTakeover) params.push({ name: SERVER_FRESH })
  if (clientNoContextTakeover) params.push({ name: CLIENT_FRESH })
  if (serverMaxWindowBits < MAX_BITS) params.push(bitsParam(SERVER_BITS, serverMaxWindowBits))
  params.push(clientMaxWindowBits < MAX_BITS ? bitsParam(CLIENT_BITS, clientMaxWindowBits) : { name: CLIENT_BITS })
  return { name: EXTENSION_NAME, params }
}

/**
 * Judges the server's answer to the offer that `offerDeflate` makes of the same wish.
 *
 * @param agreed - all that the server agreed to; other extensions are not looked at
 * @returns `undefined` when this one is not among them
 * @throws {HandshakeError} `FST_WS_ANSWER_EXTENSIONS`
 */
export function readDeflateAnswer (agreed: readonly ExtensionOffer[], wish: DeflateWish): DeflateParams | undefined {
  const [answer, ...more] = agreed.filter(isDeflate)
  if (answer === undefined) return undefined
  const serverNoContextTakeover = hasParam(answer, SERVER_FRESH)
  const serverMaxWindowBits = readBits(answer, SERVER_BITS) ?? MAX_BITS
  const clientMaxWindowBits = readBits(answer, CLIENT_BITS)
  const isKept = more.length === 0 && isWellFormed(answer) &&
    // §7.1.1.1, §7.1.2.1: what the client asks of the server is confirmed, or the offer was not accepted.
    (serverNoContextTakeover || !wish.serverNoContextTakeover) && serverMaxWindowBits <= wish.serverMaxWindowBits &&
    // §7.1.2.2: always with a value, and none over the client's own.
    (clientMaxWindowBits === undefined ? !hasParam(answer, CLIENT_BITS) : clientMaxWindowBits <= wish.clientMaxWindowBits)
  if (!isKept) throw new HandshakeError('FST_WS_ANSWER_EXTENSIONS')
  return {
    serverNoContextTakeover,
    // §7.1.1.2, §7.1.2.2: the client keeps to what it has said of itself, confirmed or not.
    clientNoContextTakeover: wish.clientNoContextTakeover || hasParam(answer, CLIENT_FRESH),
    serverMaxWindowBits,
    clientMaxWindowBits: clientMaxWindowBits ?? wish.clientMaxWindowBits
  }
}

/** Accepts a well-formed offer, or declines it when the server's wish could not be kept. */
function acceptOffer (offer: ExtensionOffer, wish: DeflateWish): DeflateAgreement | undefined {
  const serverNoContextTakeover = wish.serverNoContextTakeover || hasParam(offer, SERVER_FRESH)
  const clientNoContextTakeover = wish.clientNoContextTakeover || hasParam(offer, CLIENT_FRESH)
  const mayLimitClient = hasParam(offer, CLIENT_BITS)
  // §7.1.2.2: a limit must not be answered to a client that does not say that it knows of it. A window that ends with each message
  // is no lasting cost, so such a client may have a large one.
  if (!mayLimitClient && wish.clientMaxWindowBits < MAX_BITS && !clientNoContextTakeover) return undefined

  const offeredServerBits = readBits(offer, SERVER_BITS)
  const offeredClientBits = readBits(offer, CLIENT_BITS)
  // 8 too, though zlib has no such window for raw data: with one of 9 bits it looks back 250 bytes at most, which 8 hold.
  const serverMaxWindowBits = Math.min(wish.serverMaxWindowBits, offeredServerBits ?? MAX_BITS)
  const clientMaxWindowBits = mayLimitClient ? Math.min(wish.clientMaxWindowBits, offeredClientBits ?? MAX_BITS) : MAX_BITS

  const params: ExtensionParam[] = []
  if (serverNoContextTakeover) params.push({ name: SERVER_FRESH })
  if (clientNoContextTakeover) params.push({ name: CLIENT_FRESH })
  if (offeredServerBits !== undefined || serverMaxWindowBits < MAX_BITS) params.push(bitsParam(SERVER_BITS, serverMaxWindowBits))
  if (offeredClientBits !== undefined || clientMaxWindowBits < MAX_BITS) params.push(bitsParam(CLIENT_BITS, clientMaxWindowBits))
  return {
    params: { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits },
    extension: { name: EXTENSION_NAME, params }
  }
}

function isDeflate ({ name }: ExtensionOffer): boolean {
  return name === EXTENSION_NAME
}

/** §7.1: no parameter twice, none that is unknown, and none with a value that it cannot have. Names are compared as written. */
function isWellFormed ({ params }: ExtensionOffer): boolean {
  // A quoted value is as good as a token (RFC 6455 §9.1).
  const isKnown = ({ name, value }: ExtensionParam): boolean => VALUES.get(name)?.(value) ?? false
  return params.every(isKnown) && new Set(params.map(({ name }) => name)).size === params.length
}

function hasParam ({ params }: ExtensionOffer, name: string): boolean {
  return params.some(param => param.name === name)
}

/** Reads the first value of a parameter as bits; `undefined` for none, and for what is malformed. */
function readBits ({ params }: ExtensionOffer, name: string): number | undefined {
  const value = params.find(param => param.name === name)?.value
  return isBits(value) ? Number(value) : undefined
}

function bitsParam (name: string, bits: number): ExtensionParam {
  return { name, value: String(bits) }
}

function isAbsent (value: string | undefined): boolean {
  return value === undefined
}

function isBits (value: string | undefined): boolean {
  return value !== undefined && BITS.test(value)
}
