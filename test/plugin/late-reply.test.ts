import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import type { FastifyReply } from 'fastify'
import { abortRequest, quieten, quietenError } from '../../lib/plugin/late-reply.ts'

/** A logger of the application's own make, whose methods need their object. */
class Logger {
  readonly lines: unknown[] = []
  readonly level = 'debug'
  #note (level: string, what: unknown): void { this.lines.push([level, what]) }
  debug (what: unknown): void { this.#note('debug', what) }
  info (what: unknown): void { this.#note('info', what) }
  warn (what: unknown): void { this.#note('warn', what) }
  error (what: unknown): void { this.#note('error', what) }
}

t.test('complaints become debug lines, all else stays', async (t) => {
  const log = new Logger()
  const reply = { log } as unknown as FastifyReply // nothing else of it is looked at
  quieten(reply)
  reply.log.error('a')
  reply.log.warn('b')
  reply.log.info('c')
  reply.log.debug('d')
  t.same(log.lines, [['debug', 'a'], ['debug', 'b'], ['info', 'c'], ['debug', 'd']])
  t.equal(reply.log.level, 'debug')
  log.lines.length = 0
  const other = { log } as unknown as FastifyReply // as above
  quieten(other, 'info')
  other.log.error('a')
  other.log.debug('b')
  t.same(log.lines, [['info', 'a'], ['debug', 'b']])
})

t.test('the lines about one error become debug lines, all else stays', async (t) => {
  const log = new Logger()
  const reply = { log } as unknown as FastifyReply // as above
  const error = new Error('told elsewhere')
  quietenError(reply, error)
  const [mine, other] = [{ res: 1, err: error }, { err: new Error('told elsewhere') }]
  reply.log.info(mine, error.message)
  reply.log.error(mine)
  reply.log.warn(error)
  reply.log.info(other)
  reply.log.error(other)
  reply.log.info('request completed')
  reply.log.info(null)
  reply.log.debug(mine)
  t.same(log.lines, [['debug', mine], ['debug', mine], ['debug', error], ['info', other], ['error', other], ['info', 'request completed'], ['info', null], ['debug', mine]])
  t.equal(reply.log.level, 'debug')
})

t.test('a request is aborted without its socket, and what comes next comes last', async (t) => {
  const socket = new Socket()
  const request = new IncomingMessage(socket)
  const order: string[] = []
  request.on('aborted', () => order.push('aborted')).on('close', () => order.push('close'))
  await new Promise<void>((resolve) => abortRequest(request, resolve))
  order.push('next')
  t.same(order, ['aborted', 'close', 'next'])
  t.equal(request.destroyed, true)
  t.equal(request.socket, socket)
  t.equal(socket.destroyed, false)
  await new Promise<void>((resolve) => abortRequest(request, resolve))
  t.equal(order.length, 3, 'once')
})
