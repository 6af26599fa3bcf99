// Testing without a port: `injectWS` goes through hooks, validation and handler with real frames, over a stream in memory.
// Run: npm run compile && node build/example/inject.js
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { build } from './typed-echo.ts'

export { build }

/** Sends one message as a client would, and waits for the answer. */
export async function ask (app: FastifyInstance, question: unknown): Promise<unknown> {
  const client = await app.injectWS('/echo')
  try {
    const answer = new Promise((resolve, reject) => {
      client.once('message', resolve)
      client.once('close', (code, reason) => reject(new Error(`closed with ${code}: ${reason}`)))
    })
    client.send(JSON.stringify(question))
    return JSON.parse(String(await answer))
  } finally {
    client.terminate()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  assert.deepEqual(await ask(app, { type: 'add', a: 1, b: 2 }), { type: 'sum', sum: 3 })
  await assert.rejects(ask(app, { type: 'add', a: 1 }), /closed with 1008/)
  // A refused handshake rejects with the response.
  await assert.rejects(app.injectWS('/nowhere'), /404/)
  await app.close()
  console.log('all as expected')
}
