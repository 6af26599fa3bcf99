// A WebSocket that comes back by itself. Owns when to try again; knows nothing of chats or pages.

// Milliseconds.
const FIRST_DELAY = 500
const LONGEST_DELAY = 15_000
const CONNECT_TIMEOUT = 10_000
/** A connection that lasted so long was a good one: the next delay is the first again. */
const GOOD_AFTER = 5_000

/**
 * Opens a WebSocket, and a new one whenever it has closed.
 *
 * @param {string | URL} url
 * @param {object} on
 * @param {() => void} on.connecting - a try begins
 * @param {(message: any) => void} on.message - gets the parsed JSON
 * @param {(delay: number) => void} on.waiting - the connection is lost, or could not be made; the next try is in `delay` ms
 * @returns {{ send (message: object): boolean, close (): void }} `send` returns false when there is no connection
 */
export function keepOpen (url, on) {
  let socket
  let timer
  let failures = 0

  function open () {
    let openedAt
    on.connecting()
    socket = new WebSocket(url)
    timer = setTimeout(() => socket.close(), CONNECT_TIMEOUT)
    socket.onopen = () => {
      clearTimeout(timer)
      openedAt = performance.now()
    }
    socket.onmessage = ({ data }) => on.message(JSON.parse(data))
    socket.onclose = () => {
      clearTimeout(timer)
      const wasGood = openedAt !== undefined && performance.now() - openedAt > GOOD_AFTER
      failures = wasGood ? 1 : failures + 1
      const delay = delayAfter(failures)
      timer = setTimeout(open, delay)
      on.waiting(delay)
    }
  }

  /** The network is back: no need to wait for the timer. */
  function openNow () {
    if (socket.readyState !== WebSocket.CLOSED) return
    clearTimeout(timer)
    open()
  }

  open()
  addEventListener('online', openNow)
  return {
    send (message) {
      if (socket.readyState !== WebSocket.OPEN) return false
      socket.send(JSON.stringify(message))
      return true
    },
    close () {
      removeEventListener('online', openNow)
      clearTimeout(timer)
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close(1000)
    }
  }
}

/** Twice as long each time, and somewhere in the upper half of that, so that not all pages come back at the same moment. */
function delayAfter (failures) {
  const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1))
  return longest * (0.5 + Math.random() / 2)
}
