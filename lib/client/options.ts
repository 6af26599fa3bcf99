// What `connect` was told, with its defaults. Owns what all platforms have; their own options are checked by the platform, since a
// browser has to download what is here.
import type { WebSocketContract } from '../contract.ts'
import { makeAddress } from './address.ts'
import type { Values } from './address.ts'
import { ClientError } from './errors.ts'
import type { LinkSettings } from './link.ts'
import type { QueueLimits } from './outgoing-queue.ts'
import type { PingTimes } from './pinger.ts'
import type { ConnectSettings, PerAttempt, PingOptions, ReconnectOptions } from './option-types.ts'
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
  const { baseUrl, params, query, headers, auth, protocols = [], reconnect } = options
  // Without any base URL throws.
  const locate = (base?: string | URL, params?: Values, query?: Values): URL => makeAddress((base ?? platform.origin) as string, contract.url, params, query)
  platform.check(options)
  const pingTimes = readPingTimes(options)
  // What is known is looked at now, and not at the first attempt.
  if (![baseUrl, params, query].some((value) => typeof value === 'function')) locate(baseUrl as string | URL, params as Values, query as Values) // so they are none
  return {
    ...readNumbers(options, { handshakeTimeout: 10_000, closeTimeout: 5_000 }),
    ...readNumbers(reconnect, { minDelay: 500, maxDelay: 30_000, maxAttempts: reconnect === false ? 0 : Infinity, resetAfter: 5_000 }),
    queue: readNumbers(options.queue, { messages: 1_000, bytes: 1_048_576 }),
    ping: usesApplicationPings(options) ? pingTimes : undefined,
    isTerminal: (loss) => (reconnect as ReconnectOptions | undefined)?.isTerminal?.(loss.code, loss.reason, loss.error) ?? isForGood(loss, platform), // a boolean has none
    open: (target, events) => platform.open(target, events, options),
    async describe (): Promise<WireTarget> {
      const [base, values, fields, own, token] = await Promise.all([call(baseUrl), call(params), call(query), call(headers), call(auth)])
      return { url: locate(base, values, fields), protocols: [protocols].flat(), headers: own, token }
    }
  }
}

/** Tells whether pings are messages. */
export function usesApplicationPings ({ ping }: ConnectSettings): boolean {
  return (ping as PingOptions | undefined)?.application ?? ping === 'application' // a boolean or a string has no such property
}

export function readPingTimes ({ ping }: ConnectSettings): PingTimes {
  return readNumbers(ping, { interval: 25_000, timeout: 20_000 })
}

/**
 * Takes what was given for each of these names, or its default.
 *
 * @throws {ClientError} `FST_WS_CLIENT_OPTION` for what is no number from 0 on: as a time it would be none, over and over
 */
export function readNumbers<Name extends string> (given: unknown, defaults: Readonly<Record<Name, number>>): Record<Name, number> {
  const numbers: Record<Name, number> = { ...defaults }
  for (const name in defaults) {
    const value = (given as Partial<Record<Name, number>> | undefined)?.[name] ?? defaults[name] // a boolean has none of them
    if (value !== Math.abs(value)) throw new ClientError('OPTION', `${name} is ${value}`)
    numbers[name] = value
  }
  return numbers
}

/**
 * Tells an end behind which the server would do the same again: it is done, or refuses what this client sends or is. 1003, 1007 and
 * 1009 are its judgement on a message, 1008 on a token as well, 1010 on the handshake.
 */
function isForGood ({ code, error }: Loss, platform: Platform): boolean | undefined {
  return /^10(0[03789]|10)/.test(`${code}`) || (error as Partial<ClientError> | undefined)?.code === 'FST_WS_CLIENT_OPTION' || platform.isRefusal?.(error)
}

async function call<T> (value: PerAttempt<T> | undefined): Promise<T | undefined> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value // no option's value is a function itself
}
