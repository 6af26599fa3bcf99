// Serves the page of an example: a few files, known by name, with headers that let it load nothing else. Its scripts are modules as the
// compiler leaves them, the package's own client among them, at the paths that they import each other by; there is no bundler.
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'

const HEADERS = {
  'cache-control': 'no-cache',
  // `connect-src 'self'` allows WebSockets to the page's own origin too. Trusted Types refuse innerHTML and its kin.
  'content-security-policy': [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml'
}

/** The folder of the sources, and the one that they are compiled to. */
const ROOT = findRoot()
const BUILD = new URL('build/', ROOT)

export interface PageOptions {
  /** Beside this module; its `public` has an index.html. */
  readonly folder: string
  /** The modules in that folder that the page loads, without extension. */
  readonly modules: readonly string[]
}

export async function page (app: FastifyInstance, { folder, modules }: PageOptions): Promise<void> {
  const serve = async (path: string, file: URL): Promise<void> => {
    const content = await readFile(file)
    const type = TYPES[file.pathname.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
    app.get(path, async (_request, reply) => reply.headers(HEADERS).type(type).send(content))
  }
  const files = new URL(`example/${folder}/public/`, ROOT)
  for (const name of await readdir(files)) await serve(name === 'index.html' ? '/' : `/${name}`, new URL(name, files))

  const client = (await readdir(new URL('lib/client/', BUILD))).filter(name => name.endsWith('.js'))
  const scripts = ['lib/topic.js', ...client.map(name => `lib/client/${name}`), ...modules.map(name => `example/${folder}/${name}.js`)]
  for (const path of scripts) await serve(`/${path}`, new URL(path, BUILD))
}

/** This module is in `example`, or in `build/example` when it is compiled. */
function findRoot (): URL {
  const root = new URL('../', import.meta.url)
  return existsSync(new URL('package.json', root)) ? root : new URL('../', root)
}
