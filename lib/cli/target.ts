// Where to connect to and with what, of a command's arguments. Owns what URLs and header fields may be; opens nothing.
import type { AnyConnectOptions } from '../client/options.ts'
import type { WebSocketContract } from '../contract.ts'
import type { Arguments } from './arguments.ts'
import { UsageFault } from './faults.ts'

export interface Target {
  readonly url: URL
  /** The URL as it may be shown: a user and a password are not in it. */
  readonly name: string
  /** Host and port, as errors name them. */
  readonly place: string
  /** Of the path's end: what a base loses of it. */
  readonly contract: WebSocketContract
  readonly options: AnyConnectOptions
}

/** @throws {UsageFault} */
export function readTarget (args: Arguments): Target {
  const url = readUrl(args.positionals[0] ?? '')
  const headers = readHeaders(args.list('header'))
  const origin = args.text('origin')
  const auth = args.text('auth')
  const port = url.port === '' ? (url.protocol === 'wss:' ? '443' : '80') : url.port
  return {
    url,
    name: nameOf(url),
    place: `${url.hostname}:${port}`,
    // A base ends without a slash.
    contract: { url: url.pathname.endsWith('/') ? '/' : '' },
    options: {
      baseUrl: url,
      headers: { ...headers, ...(origin !== undefined && { Origin: origin }) },
      protocols: args.list('subprotocol'),
      perMessageDeflate: args.flag('compress'),
      reconnect: args.flag('reconnect'),
      ...(auth !== undefined && { auth: () => auth }),
      ...(args.flag('insecure') && { tls: { rejectUnauthorized: false } })
    }
  }
}

/** Reads a URL; `http:` and `https:` become `ws:` and `wss:`. @throws {UsageFault} */
export function readUrl (text: string): URL {
  if (!URL.canParse(text) || !/^(ws|http)s?:\/\//i.test(text)) {
    throw new UsageFault(`${JSON.stringify(text)} is no URL of a WebSocket: it begins with ws://, wss://, http:// or https://`)
  }
  // The protocol of a URL can be changed among those that are special, as all of these are.
  const url = new URL(text)
  url.protocol = url.protocol.replace('http', 'ws')
  url.hash = ''
  return url
}

function nameOf ({ href }: URL): string {
  const url = new URL(href)
  url.username = url.password = ''
  return url.href
}

/** @throws {UsageFault} */
export function readHeaders (lines: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = {}
  for (const line of lines) {
    const [, name, value] = /^([^:\s]+)\s*:\s*(.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) throw new UsageFault(`--header ${JSON.stringify(line)}: it must be 'Name: value'`)
    const known = Object.keys(headers).find((other) => other.toLowerCase() === name.toLowerCase()) ?? name
    headers[known] = [...headers[known] ?? [], value.trim()]
  }
  return headers
}
