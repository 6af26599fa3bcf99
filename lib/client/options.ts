// What `connect` was told, with its defaults. Owns what all platforms have; their own options, and numbers that are none, are checked
// by the platform, since a browser has to download what is here.
import type { WebSocketContract } from '../contract.ts'
import { makeAddress } from './address.ts'
import type { Values } from './address.ts'
import { ClientError } from './errors.ts'
import type { LinkSettings } from './link.ts'
import type { QueueLimits } from './outgoing-queue.ts'
import type { PingTimes } from './pinger.ts'
import type { ConnectSettings, PerAttempt, PingOptions, ReconnectOptions } from './types.ts'
import type { Loss, Platform, WireTarget } from './wire.ts'

/** All that `connect` takes, whatever the contract is. */
export interface AnyConnectOptions extends ConnectSettings {
  readonly params?: PerAttempt<Values>
  readonly query?: PerAttempt<Values>
}

export interface ClientSettings extends LinkSettings {
  readonly queue: QueueLimits
  /** Of pings that are messages. */
  readonly ping: PingTimes | undefined
}

/** @throws {ClientError} `FST_WS_CLIENT_OPTION` */
export function readOptions (contract: WebSocketContract, options: AnyConnectOptions, platform: Platform): ClientSettings {
  const { baseUrl, params, query, headers, auth, protocols = [], reconnect, handshakeTimeout = 10_000, closeTimeout = 5_000 } = options
  const { minDelay = 500, maxDelay = 30_000, maxAttempts = Infinity, resetAfter = 5_000, isTerminal }: ReconnectOptions = typeof reconnect === 'object' ? reconnect : {}
  const { messages = 1_000, bytes = 1_048_576 } = options.queue ?? {}
  const locate = (base: string | URL | undefined, params?: Values, query?: Values): URL => {
    base ??= platform.origin
    if (base === undefined) throw new ClientError('OPTION', 'baseUrl is missing')
    return makeAddress({ base, path: contract.url, params, query })
  }
  platform.check(options)
  // What is known is looked at now, and not at the first attempt.
  if (typeof baseUrl !== 'function' && typeof params !== 'function' && typeof query !== 'function') locate(baseUrl, params, query)
  return {
    minDelay,
    maxDelay,
    maxAttempts: reconnect === false ? 0 : maxAttempts,
    resetAfter,
    handshakeTimeout,
    closeTimeout,
    queue: { messages, bytes },
    ping: usesApplicationPings(options) ? readPingTimes(options) : undefined,
    isTerminal: (loss) => isTerminal?.(loss.code, loss.reason, loss.error) ?? isForGood(loss),
    open: (target, events) => platform.open(target, events, options),
    async describe (): Promise<WireTarget> {
      const [base, values, fields, own, token] = await Promise.all([call(baseUrl), call(params), call(query), call(headers), auth?.()])
      return { url: locate(base, values, fields), protocols: [protocols].flat(), headers: own, token }
    }
  }
}

/** Tells whether pings are messages. */
export function usesApplicationPings ({ ping }: ConnectSettings): boolean {
  return ping === 'application' || (ping as PingOptions | undefined)?.application === true // a boolean has no such property
}

export function readPingTimes ({ ping }: ConnectSettings): PingTimes {
  const { interval = 25_000, timeout = 20_000 }: PingOptions = typeof ping === 'object' ? ping : {}
  return { interval, timeout }
}

/**
 * Tells an end behind which the server would do the same again: it is done, or refuses what this client sends or is. 1003, 1007 and
 * 1009 are its judgement on a message, 1008 on a token as well, 1010 on the handshake; an HTTP answer of 4xx on the request, but for
 * those that say: too slow, too early, too many.
 */
function isForGood ({ code, error }: Loss): boolean {
  const { statusCode = 0, code: fault } = (error ?? {}) as Partial<ClientError> // of another error they are other things
  return [1000, 1003, 1007, 1008, 1009, 1010].includes(code) || fault === 'FST_WS_CLIENT_OPTION' ||
    (fault === 'FST_WS_CLIENT_REFUSED' && statusCode > 399 && statusCode < 500 && ![408, 425, 429].includes(statusCode))
}

async function call<T> (value: PerAttempt<T> | undefined): Promise<T | undefined> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value // no option's value is a function itself
}
