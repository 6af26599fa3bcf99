// What comes and does not fit a contract.
import t from 'tap'
import { Incoming } from '../../lib/cli/incoming.ts'
import type { IncomingOptions } from '../../lib/cli/incoming.ts'

function open (options: Partial<IncomingOptions> = {}): { incoming: Incoming, told: string[], counts: { refused: number } } {
  const told: string[] = []
  const counts = { refused: 0 }
  const judge = (message: unknown): string | undefined => message === 'bad' ? 'it is bad' : undefined
  const incoming = new Incoming({ judge, isStrict: false, tell: (text) => told.push(text), onRefused: () => { counts.refused++ }, ...options })
  for (const message of ['good', 'bad', new ArrayBuffer(1), 'bad']) incoming.look(message)
  return { incoming, told, counts }
}

const TOLD = ['message 2 that came does not fit the contract: it is bad', 'message 4 that came does not fit the contract: it is bad']

t.test('it is told, with its number', async (t) => {
  const { incoming, told, counts } = open()
  t.strictSame(told, TOLD)
  t.notOk(incoming.isRefused)
  t.equal(counts.refused, 0)
})

t.test('strictly it is the end', async (t) => {
  const { incoming, told, counts } = open({ isStrict: true })
  t.strictSame(told, TOLD)
  t.ok(incoming.isRefused)
  t.equal(counts.refused, 2)
})

t.test('without a contract anything fits', async (t) => {
  t.strictSame(open({ judge: undefined, isStrict: true }).told, [])
})
