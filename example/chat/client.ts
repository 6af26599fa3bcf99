// A visit to a room, in the browser, by the typed client. Owns what is asked of the server and when; what it looks like is for chat.js,
// which gets it as `News`.
import { connect, RequestError } from '../../lib/client/browser.ts' // in your project: from 'fastify-typed-websocket/client'
import type { TopicMember } from '../../lib/client/browser.ts'
import type * as messages from './messages.ts'
import type { RoomName, Said } from './messages.ts'

// The types are all that is needed of the contract and its schemas: TypeBox and the checks stay at the server.
const chat = { url: '/chat' } as unknown as typeof messages.chat
const room = { name: 'room/:room' } as unknown as typeof messages.room
const typing = { name: 'typing/:room' } as unknown as typeof messages.typing

/** What there is to be shown of a visit. */
export type News =
  | { type: 'connected' }
  /** There is no connection; the next attempt is in `delay` ms. */
  | { type: 'waiting', delay: number }
  /** There will be none any more. */
  | { type: 'ended', reason: string }
  /** The server lets nobody of that name into the room. */
  | { type: 'refused', reason: string }
  /** Loading what was said before begins or ends. */
  | { type: 'loading', isLoading: boolean }
  | { type: 'loadFailed', reason: string }
  | { type: 'people', nicks: string[] }
  | { type: 'joined', nick: string }
  | { type: 'left', nick: string }
  /** May come again for the same message. */
  | { type: 'said', said: Said }
  | { type: 'typing', nick: string, isTyping: boolean }

export interface Visit {
  /** Says something, at once or with the next connection. Resolves with undefined, or with why it was not said. */
  say (text: string): Promise<string | undefined>
  /** Tells the others. @returns false while there is no connection */
  tellTyping (isTyping: boolean): boolean
  leave (): void
}

/**
 * Enters a room, and comes back to it whenever the connection was lost.
 *
 * @param visitor - a secret of this page's, for which the server keeps the name
 */
export function enter (name: RoomName, nick: string, visitor: string, show: (news: News) => void): Visit {
  // A browser's script cannot ping by the protocol, so messages have to do it.
  const socket = connect(chat, { query: { nick, visitor }, ping: 'application', reconnect: { maxDelay: 15_000 } })
  socket.on('reconnecting', ({ delay }) => show({ type: 'waiting', delay }))
  socket.on('close', (code, reason) => show({ type: 'ended', reason: reason || `the server has closed with ${code}` }))

  /** Nothing is shown before what was said earlier. */
  let loaded: Promise<void> | undefined
  let isComplete = false

  async function load (): Promise<void> {
    show({ type: 'loading', isLoading: true })
    try {
      const response = await fetch(`/rooms/${encodeURIComponent(name)}/messages`)
      if (!response.ok) throw new Error(`the server answered ${response.status}`)
      for (const said of await response.json() as Said[]) show({ type: 'said', said }) // as the route's schema has it
      isComplete = true
    } catch (error) {
      show({ type: 'loadFailed', reason: error instanceof Error ? error.message : String(error) })
    }
    show({ type: 'loading', isLoading: false })
  }

  async function visit (): Promise<void> {
    const entering = socket.subscribe(room, { room: name }, async (said) => {
      await loaded
      show({ type: 'said', said })
    })
    loaded = entering.then(load, () => {})
    const subscription = await entering
    const showPeople = (): void => show({ type: 'people', nicks: subscription.members.map(nickOf) })
    const onRenewed = (): void => {
      showPeople()
      show({ type: 'connected' })
      if (!isComplete) loaded = load()
    }
    // After another connection: the server has sent all that was missed, or it cannot.
    subscription.on('recovered', onRenewed)
    subscription.on('lost', () => {
      isComplete = false
      onRenewed()
    })
    // The name was taken while there was no connection.
    subscription.on('error', (error) => show({ type: 'refused', reason: error.message }))
    subscription.on('join', (member) => {
      showPeople()
      show({ type: 'joined', nick: nickOf(member) })
    })
    subscription.on('leave', (member) => {
      showPeople()
      show({ type: 'left', nick: nickOf(member) })
    })
    showPeople()
    show({ type: 'connected' })
    await socket.subscribe(typing, { room: name }, ({ nick, isTyping }) => show({ type: 'typing', nick, isTyping }))
  }
  // When the client closes before there is an answer, `close` tells.
  visit().catch((error: unknown) => { if (error instanceof RequestError) show({ type: 'refused', reason: error.message }) })

  return {
    async say (text) {
      try {
        await socket.request('say', { room: name, text })
        return undefined
      } catch (error) {
        return explain(error)
      }
    },
    tellTyping (isTyping) {
      if (socket.state !== 'open') return false
      // Whether it arrives is not worth a word.
      socket.publish(typing, { room: name }, { nick, isTyping }).catch(() => {})
      return true
    },
    leave () {
      show = () => {}
      socket.close()
    }
  }
}

function nickOf ({ data }: TopicMember): string {
  return (data as { readonly nick: string }).nick // as `authorize` of the server has made it
}

function explain (error: unknown): string {
  if (error instanceof RequestError) return `Not sent: ${error.message}`
  const isSent = (error as { readonly sent?: unknown }).sent === true // a ClientError's
  return isSent
    ? 'The connection was lost before the server had answered: the last message may not have been sent.'
    : `Not sent: ${error instanceof Error ? error.message : String(error)}`
}
