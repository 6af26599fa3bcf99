// Where a connection stands (RFC 6455 §4 and §7.1), as one table.

/** The three close states all show as `readyState` 2, CLOSING. */
export type State = 'connecting' | 'open' | 'closeSent' | 'closeReceived' | 'closeDone' | 'closed'

/** What moves it: the opening handshake, Close frames each way, a failure (§7.1.7), the end of the byte stream. */
export type Signal = 'accept' | 'sendClose' | 'receiveClose' | 'fail' | 'eof'

/** To land in an empty cell is a fault of this package, never the peer's. */
export const TRANSITIONS: Readonly<Record<State, Readonly<Partial<Record<Signal, State>>>>> = {
  connecting: { accept: 'open', fail: 'closed', eof: 'closed' },
  open: { sendClose: 'closeSent', receiveClose: 'closeReceived', fail: 'closeDone', eof: 'closed' },
  closeSent: { receiveClose: 'closeDone', fail: 'closeDone', eof: 'closed' },
  closeReceived: { sendClose: 'closeDone', fail: 'closeDone', eof: 'closed' },
  closeDone: { eof: 'closed' },
  closed: { eof: 'closed' }
}

/** Values of `readyState`, as in the WHATWG interface. */
export const ReadyState = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const

/** Tells the `readyState` of a state. */
export function readyStateOf (state: State): 0 | 1 | 2 | 3 {
  if (state === 'open') return ReadyState.OPEN
  if (state === 'connecting') return ReadyState.CONNECTING
  return state === 'closed' ? ReadyState.CLOSED : ReadyState.CLOSING
}

/**
 * Moves to the next state.
 *
 * @throws {Error} for a cell that the table leaves empty
 */
export function nextState (state: State, signal: Signal): State {
  const next = TRANSITIONS[state][signal]
  if (next === undefined) throw new Error(`no transition from ${state} by ${signal}`)
  return next
}
