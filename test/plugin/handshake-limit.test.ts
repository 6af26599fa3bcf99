import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { makeClosingError, makeLimitError, tellLimit } from '../../lib/plugin/handshake-limit.ts'

t.test('what a refusal says', async (t) => {
  const rows = [
    ['maxPendingHandshakes', 'FST_WS_TOO_MANY_HANDSHAKES', '1'],
    ['handshakeTimeout', 'FST_WS_HANDSHAKE_TIMEOUT', '5'],
    ['maxConnections', 'FST_WS_TOO_MANY_CONNECTIONS', '10'],
    ['maxConnectionsPerIp', 'FST_WS_TOO_MANY_CONNECTIONS_PER_IP', '10']
  ] as const
  for (const [limit, code, retryAfter] of rows) {
    const error = makeLimitError(limit, undefined)
    t.ok(error instanceof Error)
    t.match(error, { code, statusCode: 503, headers: { 'retry-after': retryAfter } })
    t.not(makeLimitError(limit, undefined), error, 'each has its own')
  }
  t.match(makeClosingError(), { code: 'FST_WS_CLOSING', statusCode: 503, headers: { 'retry-after': '5' } })
})

t.test('who is told', async (t) => {
  const heard: unknown[] = []
  const listener = (message: unknown): void => { heard.push(message) }
  makeLimitError('maxConnections', undefined)
  subscribe('fastify-typed-websocket:limit', listener)
  t.teardown(() => unsubscribe('fastify-typed-websocket:limit', listener))
  const error = makeLimitError('maxConnections', undefined)
  const other = new Error('other')
  tellLimit('allowedOrigins', other, { id: 1 } as never)
  t.strictSame(heard, [{ limit: 'maxConnections', error }, { limit: 'allowedOrigins', error: other, request: { id: 1 } }])
})
