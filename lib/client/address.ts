// Where a contract's route is: base, path with its parameters and query make a URL. Owns nothing but text.
import { ClientError } from './errors.ts'

/** Values for the parameters of a path, and for a query; a list stands for several of one name. */
export type Values = Readonly<Record<string, unknown>>

/** `::` is a colon; `:name`, with a pattern or a question mark behind it, is a parameter, and `*` the one of that name. */
const PARAM = /::|(\/?)(?::(\w+)(?:\(.*?\)(?=[/?-]|$))?(\?)?|\*)/g

/**
 * Makes the URL to connect to. `http:` and `https:` become `ws:` and `wss:`; the base's path goes before the contract's, and its
 * query before that given here.
 *
 * @param path - as Fastify writes it: `/chat/:room`
 * @throws {ClientError} `FST_WS_CLIENT_OPTION`
 * @throws {TypeError} for a base that is no URL
 */
export function makeAddress (base: string | URL, path: string, params: Values = {}, query: Values = {}): URL {
  const url = new URL(base)
  const protocol = url.protocol.replace('http', 'ws')
  if (!/^wss?:$/.test(protocol)) throw new ClientError('OPTION', `baseUrl ${protocol}`)
  url.protocol = protocol
  url.hash = ''
  url.pathname = url.pathname.replace(/\/$/, '') + path.replace(PARAM, (match, slash, name = '*', optional) => {
    if (match === '::') return ':'
    const value = params[name]
    if (value === undefined && optional) return ''
    let text = encodeURIComponent(typeof value === 'object' ? '' : value as string ?? '') // it makes strings of others
    // A wildcard stands for several segments.
    if (name === '*') text = text.replaceAll('%2F', '/')
    // A URL takes dots for steps, percent-encoded as well, and would lead elsewhere.
    if (/(^|\/)\.{0,2}(\/|$)/.test(text)) throw paramError(name, value)
    return slash + text
  })
  for (const [name, value] of Object.entries(query)) {
    for (const item of [value].flat()) if (item !== undefined) url.searchParams.append(name, item as string) // as above
  }
  return url
}

/** Of a parameter of a path, or of a topic's name. */
export function paramError (name: string, value: unknown): ClientError {
  return new ClientError('OPTION', `params.${name} is ${JSON.stringify(value)}`)
}
