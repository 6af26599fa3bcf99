import t from 'tap'
import { nextState, ReadyState, readyStateOf, TRANSITIONS } from '../../lib/protocol/state.ts'
import type { Signal, State } from '../../lib/protocol/state.ts'

const SIGNALS: readonly Signal[] = ['accept', 'sendClose', 'receiveClose', 'fail', 'eof']

/** The table as RFC 6455 §4 and §7.1 have it, a column a signal; `-` where the signal cannot come. */
const rows: ReadonlyArray<{ state: State, readyState: number, want: ReadonlyArray<State | '-'> }> = [
  { state: 'connecting', readyState: ReadyState.CONNECTING, want: ['open', '-', '-', 'closed', 'closed'] },
  { state: 'open', readyState: ReadyState.OPEN, want: ['-', 'closeSent', 'closeReceived', 'closeDone', 'closed'] },
  { state: 'closeSent', readyState: ReadyState.CLOSING, want: ['-', '-', 'closeDone', 'closeDone', 'closed'] },
  { state: 'closeReceived', readyState: ReadyState.CLOSING, want: ['-', 'closeDone', '-', 'closeDone', 'closed'] },
  { state: 'closeDone', readyState: ReadyState.CLOSING, want: ['-', '-', '-', '-', 'closed'] },
  { state: 'closed', readyState: ReadyState.CLOSED, want: ['-', '-', '-', '-', 'closed'] }
]

t.strictSame(Object.keys(TRANSITIONS), rows.map(({ state }) => state), 'no state without a row')
t.strictSame(ReadyState, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 }, 'the WHATWG numbers')

for (const { state, readyState, want } of rows) {
  t.test(`§7.1 ${state}`, async t => {
    t.equal(readyStateOf(state), readyState)
    for (const [index, signal] of SIGNALS.entries()) {
      const next = want[index]
      if (next === '-') t.throws(() => nextState(state, signal), new Error(`no transition from ${state} by ${signal}`))
      else t.equal(nextState(state, signal), next, signal)
    }
    t.ok(Object.keys(TRANSITIONS[state]).every(signal => SIGNALS.some(known => known === signal)), 'no signal without a column')
  })
}
