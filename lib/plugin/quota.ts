// How many may be there at once: connections, those of one address, handshakes. Owns the counts and what counts as one address;
// what a refusal says is not known here.
import { isIP } from 'node:net'

/** The most that there may be at once. What is absent is not limited. */
export interface Caps {
  /** Connections, those in the handshake included. */
  readonly maxConnections?: number
  /** The same of one address. */
  readonly maxConnectionsPerIp?: number
  /** Handshakes that wait for their answer. */
  readonly maxPendingHandshakes?: number
}

/** Counts what the caps of one registration or one route limit. */
export class Quota {
  readonly #caps: Caps
  #connections = 0
  #pending = 0
  /** Only of addresses that have a place now. */
  readonly #byAddress = new Map<string, number>()

  constructor (caps: Caps) {
    this.#caps = caps
  }

  /** Makes the quota of some options; `undefined` when there is no cap among them. */
  static of ({ maxConnections, maxConnectionsPerIp, maxPendingHandshakes }: { readonly [Name in keyof Caps]?: Caps[Name] | undefined }): Quota | undefined {
    const caps = {
      ...(maxConnections !== undefined && { maxConnections }),
      ...(maxConnectionsPerIp !== undefined && { maxConnectionsPerIp }),
      ...(maxPendingHandshakes !== undefined && { maxPendingHandshakes })
    }
    return Object.keys(caps).length === 0 ? undefined : new Quota(caps)
  }

  /** Places that are taken, and addresses that have one. */
  get counts (): { readonly connections: number, readonly pending: number, readonly addresses: number } {
    return { connections: this.#connections, pending: this.#pending, addresses: this.#byAddress.size }
  }

  /**
   * Finds the cap that leaves no room for one more.
   *
   * @param ip - as the request has it; read only where addresses are counted
   */
  findFull (ip: () => string | undefined): keyof Caps | undefined {
    const { maxPendingHandshakes, maxConnections, maxConnectionsPerIp } = this.#caps
    if (maxPendingHandshakes !== undefined && this.#pending >= maxPendingHandshakes) return 'maxPendingHandshakes'
    if (maxConnections !== undefined && this.#connections >= maxConnections) return 'maxConnections'
    if (maxConnectionsPerIp === undefined) return undefined
    return (this.#byAddress.get(addressOf(ip())) ?? 0) >= maxConnectionsPerIp ? 'maxConnectionsPerIp' : undefined
  }

  /** Takes a place for a handshake and for the connection that may come of it. Whether there is room is `findFull`'s to say. */
  take (ip: () => string | undefined): Place {
    const address = this.#caps.maxConnectionsPerIp === undefined ? undefined : addressOf(ip())
    this.#pending++
    this.#connections++
    if (address !== undefined) this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1)
    return new Place({
      endHandshake: () => { this.#pending-- },
      end: () => {
        this.#connections--
        if (address !== undefined) this.#giveBack(address)
      }
    })
  }

  #giveBack (address: string): void {
    const left = (this.#byAddress.get(address) ?? 0) - 1
    if (left > 0) this.#byAddress.set(address, left)
    else this.#byAddress.delete(address)
  }
}

/** What has been taken, and is given back once, however often and in whatever order the two ends are told. */
export class Place {
  #owner: { endHandshake (): void, end (): void } | undefined
  #isHandshake = true

  constructor (owner: { endHandshake (): void, end (): void }) {
    this.#owner = owner
  }

  /** The handshake has its answer; the connection, if that was a 101, goes on. */
  endHandshake (): void {
    if (!this.#isHandshake) return
    this.#isHandshake = false
    this.#owner?.endHandshake()
  }

  /** All is over. */
  end (): void {
    this.endHandshake()
    const owner = this.#owner
    this.#owner = undefined
    owner?.end()
  }
}

/** Where there is no address that could be told from others: pipes, and whatever a proxy says that is none. All of them count as one. */
const NO_ADDRESS = ''

/**
 * Names what a peer cannot easily have many of: an IPv4 address; of an IPv6 address, as whoever has one mostly has the whole network,
 * the first 64 bits. An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is the former.
 *
 * @param ip - as `request.ip` has it; some proxies forward it with a port
 */
export function addressOf (ip: string | undefined): string {
  if (ip === undefined) return NO_ADDRESS
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(ip)?.[1] ?? /^([\d.]+):\d+$/.exec(ip)?.[1] ?? ip
  const version = isIP(bare)
  if (version === 4) return bare
  if (version === 0) return NO_ADDRESS
  const groups = expand(bare)
  const isMapped = groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
  if (!isMapped) return `${groups.slice(0, 4).map(group => group.toString(16)).join(':')}::/64`
  const [high = 0, low = 0] = groups.slice(6)
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

/** The eight groups of an IPv6 address (RFC 4291 §2.2) that is known to be one. */
function expand (address: string): number[] {
  const [text = ''] = address.split('%') // a zone says which network of this machine it is
  const [front = '', back] = text.split('::')
  const head = readGroups(front)
  if (back === undefined) return head
  const tail = readGroups(back)
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

function readGroups (text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a << 8 | b, c << 8 | d]
  })
}
