// Who is measured: this package as it is installed, with its options changed, the others, and the floors.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Peer {
  readonly name: string
  /** In bench/servers, compiled; a `.js` of the sources where there is nothing to compile. */
  readonly file: string
  /** The program that runs it. Default: Node. */
  readonly program?: string
  readonly plugin?: object
  readonly route?: object
  /** Looks at lengths only, so its answers are not compared. */
  readonly isFloor?: boolean
}

const root = new URL('../../', import.meta.url)
/** As `npm install --no-save @oven/bun-linux-x64` puts it there; not a dependency, as it has 90 MiB. */
const bun = fileURLToPath(new URL('node_modules/@oven/bun-linux-x64/bin/bun', root))
const fileOf = (name: string): string => fileURLToPath(new URL(`./servers/${name}.js`, import.meta.url))

const product = { file: fileOf('product') }
const PEERS: ReadonlyArray<Peer & { readonly isThere: boolean }> = [
  { name: 'product', ...product, isThere: true },
  // By nothing but what Node documents.
  { name: 'product portable', ...product, plugin: { fastPaths: { sharedReadBuffer: false, zlibHandles: false } }, isThere: true },
  { name: 'product lending', ...product, route: { lendPayloads: true }, isThere: true },
  { name: 'ws', file: fileOf('ws'), isThere: true },
  { name: '@fastify/websocket', file: fileOf('fastify-websocket'), isThere: true },
  { name: 'net', file: fileOf('net'), isFloor: true, isThere: true },
  { name: 'http', file: fileOf('http'), isFloor: true, isThere: true },
  { name: 'bun', file: fileURLToPath(new URL('bench/servers/bun.js', root)), program: bun, isThere: existsSync(bun) }
]

/** The peers of these names that can run here, in the order of the table. */
export function peersNamed (names: readonly string[]): Peer[] {
  return PEERS.filter(({ name, isThere }) => isThere && names.includes(name))
}

export function allNames (): string[] {
  return PEERS.map(({ name }) => name)
}
