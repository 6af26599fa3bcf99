// Serves the page: a few files, known by name, with headers that let it load nothing else.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'

const FILES = [
  { path: '/', name: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/chat.css', name: 'chat.css', type: 'text/css; charset=utf-8' },
  { path: '/chat.js', name: 'chat.js', type: 'text/javascript; charset=utf-8' },
  { path: '/socket.js', name: 'socket.js', type: 'text/javascript; charset=utf-8' },
  { path: '/icon.svg', name: 'icon.svg', type: 'image/svg+xml' }
]

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

export async function page (app: FastifyInstance): Promise<void> {
  const folder = findPublicFolder()
  for (const { path, name, type } of FILES) {
    const content = await readFile(new URL(name, folder))
    app.get(path, async (_request, reply) => reply.headers(HEADERS).type(type).send(content))
  }
}

/** The files stay where the sources are: beside this module, or three folders up when it runs from build/example/chat. */
function findPublicFolder (): URL {
  const beside = new URL('./public/', import.meta.url)
  return existsSync(beside) ? beside : new URL('../../../example/chat/public/', import.meta.url)
}
