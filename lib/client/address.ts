// Where a contract's route is: base, path with its parameters and query make a URL. Owns nothing but text.
import { ClientError } from './errors.ts'

/** Values for the parameters of a path, and for a query; a list stands for several of one name. */
export type Values = Readonly<Record<string, unknown>>

export interface AddressParts {
  readonly base: string | URL
  /** As Fastify writes it: `/chat/:room`. */
  readonly path: string
  readonly params?: Values | undefined
  readonly query?: Values | undefined
}

/** `::` is a colon; `:name`, with a pattern or a question mark behind it, is a parameter, and `*` the one of that name. */
const PARAM = /::|(\/?)(?::(\w+)(?:\(.*?\)(?=[/?-]|$))?(\?)?|\*)/g

/**
 * Makes the URL to connect to. `http:` and `https:` become `ws:` and `wss:`; the base's path goes before the contract's, and its
 * query before that given here.
 *
 * @throws {ClientError} `FST_WS_CLIENT_OPTION`
 * @throws {TypeError} for a base that is no URL
 */
export function makeAddress ({ base, path, params = {}, query = {} }: AddressParts): URL {
  const url = new URL(base)
  url.protocol = url.protocol.replace('http', 'ws')
  if (!/^wss?:$/.test(url.protocol)) throw new ClientError('OPTION', `baseUrl ${url.protocol}`)
  url.hash = ''
  url.pathname = url.pathname.replace(/\/$/, '') + path.replace(PARAM, (match, slash, name = '*', optional) => {
    if (match === '::') return ':'
    const value = params[name]
    if (value === undefined && optional) return ''
    const text = typeof value === 'object' ? '' : String(value ?? '')
    // A wildcard stands for several segments.
    const segments = name === '*' ? text.split('/') : [text]
    // A URL takes dots for steps, percent-encoded as well, and would lead elsewhere.
    if (segments.some((segment) => /^\.{0,2}$/.test(segment))) throw new ClientError('OPTION', `params.${name} is ${JSON.stringify(value)}`)
    return slash + segments.map(encodeURIComponent).join('/')
  })
  for (const [name, value] of Object.entries(query)) {
    for (const item of [value].flat()) if (item !== undefined) url.searchParams.append(name, String(item))
  }
  return url
}
