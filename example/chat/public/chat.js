// The page of the chat: two forms, the log and what stands around it. What others have written goes in as text, never as HTML.
import { keepOpen } from './socket.js'

/** How many lines the log keeps. */
const LOG_LENGTH = 300
/** Milliseconds: how often typing is told while it goes on, after which pause it has ended, and when others' is no longer believed. */
const TELL_TYPING_EVERY = 2_000
const TYPING_ENDS_AFTER = 3_000
const TYPING_EXPIRES_AFTER = 6_000

const [status, entrance, nickInput, roomChoice, room, roomName, people, log, typing, compose, text, problem, leave] = [
  'status', 'entrance', 'nick', 'room-choice', 'room', 'room-name', 'people', 'log', 'typing', 'compose', 'text', 'problem', 'leave'
].map(id => document.getElementById(id))

/** The connection to a room, while there is one. */
let socket
/** The own name, as the server has given it. */
let nick = ''
/** Own messages without an answer yet, oldest first: the server answers each with `said` or `error`, in order. */
let unanswered = []
/** Messages that came while the history was being loaded; undefined at any other time. */
let early

// ---- coming and going

entrance.addEventListener('submit', (event) => {
  event.preventDefault()
  const path = `/rooms/${encodeURIComponent(roomChoice.value)}`
  log.replaceChildren()
  isAtEnd = true
  roomName.textContent = `Room: ${roomChoice.value}`
  entrance.hidden = true
  room.hidden = false
  text.focus()
  join(path)
})

leave.addEventListener('click', () => {
  socket.close()
  socket = undefined
  forgetRoom()
  text.value = ''
  showProblem('')
  room.hidden = true
  entrance.hidden = false
  showStatus('off', 'Not connected')
  nickInput.focus()
})

function join (path) {
  const url = new URL(path, location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  url.searchParams.set('nick', nickInput.value)
  socket = keepOpen(url, {
    connecting: () => showStatus('wait', 'Connecting…'),
    message: (message) => receive[message.type]?.(message, path),
    waiting: (delay) => {
      showStatus('wait', `Not connected. Trying again in ${Math.ceil(delay / 1000)} s`)
      if (unanswered.length > 0) {
        putBack(unanswered.at(-1))
        showProblem('The connection was lost before the server had answered: the last message may not have been sent.')
      }
      forgetRoom()
    }
  })
}

/** Forgets what was true of the connection that has ended. */
function forgetRoom () {
  unanswered = []
  early = undefined
  for (const timer of typists.values()) clearTimeout(timer)
  typists.clear()
  showTypists()
  endTyping()
  people.textContent = ''
}

// ---- what the server says

const receive = {
  welcome (message, path) {
    nick = message.nick
    showStatus('on', `Connected as ${nick}`)
    people.textContent = message.people.join(', ')
    loadHistory(path)
  },
  joined (message) {
    people.textContent = message.people.join(', ')
    addLine('note', isolate(message.nick), ' joined')
  },
  left (message) {
    people.textContent = message.people.join(', ')
    setTyping(message.nick, false)
    addLine('note', isolate(message.nick), ' left')
  },
  typing (message) {
    setTyping(message.nick, message.isTyping)
  },
  said (message) {
    setTyping(message.nick, false)
    if (message.nick === nick) unanswered.shift()
    if (early === undefined) addSaid(message)
    else early.push(message)
  },
  error (message) {
    putBack(unanswered.shift() ?? '')
    showProblem(`Not sent: ${message.text}`)
  }
}

/** Shows what was said before, or while there was no connection. Messages that come meanwhile wait, so that the order is right. */
async function loadHistory (path) {
  const mine = []
  early = mine
  log.ariaBusy = 'true'
  let history = []
  try {
    const response = await fetch(`${path}/messages`)
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    history = await response.json()
  } catch (error) {
    if (early === mine) addLine('note', `What was said before could not be loaded: ${error.message}`)
  }
  // The connection has ended meanwhile; with the next one the history is loaded again.
  if (early !== mine) return
  for (const message of [...history, ...mine]) addSaid(message)
  early = undefined
  log.ariaBusy = 'false'
}

// ---- writing

compose.addEventListener('submit', (event) => {
  event.preventDefault()
  showProblem('')
  // All limits are in the schema at the server, which answers with what is wrong.
  if (!socket.send({ type: 'chat', text: text.value })) {
    showProblem('Not sent: there is no connection at the moment.')
    return
  }
  unanswered.push(text.value)
  text.value = ''
  endTyping()
})

let typingToldAt = -Infinity
let typingTimer

text.addEventListener('input', () => {
  showProblem('')
  if (text.value === '') return stopTyping()
  clearTimeout(typingTimer)
  typingTimer = setTimeout(stopTyping, TYPING_ENDS_AFTER)
  if (performance.now() - typingToldAt < TELL_TYPING_EVERY) return
  if (socket.send({ type: 'typing', isTyping: true })) typingToldAt = performance.now()
})

function stopTyping () {
  if (typingToldAt !== -Infinity) socket.send({ type: 'typing', isTyping: false })
  endTyping()
}

/** Ends it without telling: a message or the end of the connection says the same. */
function endTyping () {
  clearTimeout(typingTimer)
  typingToldAt = -Infinity
}

/** Gives a message back that was not sent, unless another one is being written. */
function putBack (message) {
  if (text.value === '') text.value = message
}

// ---- showing

function showStatus (state, words) {
  status.dataset.state = state
  status.textContent = words
}

function showProblem (words) {
  problem.textContent = words
  text.ariaInvalid = words === '' ? 'false' : 'true'
}

/** Names by their timers: who does not go on typing has stopped, said so or not. */
const typists = new Map()

function setTyping (name, isTyping) {
  clearTimeout(typists.get(name))
  typists.delete(name)
  if (isTyping) typists.set(name, setTimeout(() => setTyping(name, false), TYPING_EXPIRES_AFTER))
  showTypists()
}

function showTypists () {
  const [first, second] = typists.keys()
  if (typists.size > 2) typing.textContent = 'Several people are typing…'
  else if (second !== undefined) typing.replaceChildren(isolate(first), ' and ', isolate(second), ' are typing…')
  else if (first !== undefined) typing.replaceChildren(isolate(first), ' is typing…')
  else typing.textContent = ''
}

function addSaid ({ id, nick: by, text, at }) {
  // The history has what was shown before the connection was lost.
  if (document.getElementById(id) !== null) return
  const time = document.createElement('time')
  time.dateTime = new Date(at).toISOString()
  time.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  const line = document.createElement('span')
  line.className = 'by'
  line.append(isolate(by), by === nick ? ' (you), ' : ', ', time)
  addLine(by === nick ? 'said own' : 'said', line, isolate(text)).id = id
}

function addLine (className, ...content) {
  const line = document.createElement('div')
  line.className = className
  line.append(...content)
  log.append(line)
  while (log.childElementCount > LOG_LENGTH) log.firstElementChild.remove()
  scrollToEnd()
  return line
}

/** The newest line is in sight; who reads further up stays there. */
let isAtEnd = true

function scrollToEnd () {
  if (isAtEnd) log.scrollTop = log.scrollHeight
}

log.addEventListener('scroll', () => { isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40 })
// It shrinks when a problem is shown below it, or a phone's keyboard.
new ResizeObserver(scrollToEnd).observe(log)

/** An element for words of others, whose writing direction must not spread to what stands beside them. */
function isolate (words) {
  const element = document.createElement('bdi')
  element.textContent = words
  return element
}
