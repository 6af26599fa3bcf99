// The page of the chat: two forms, the log and what stands around it. What others have written goes in as text, never as HTML.
import { enter } from '/example/chat/client.js'

/** How many lines the log keeps. */
const LOG_LENGTH = 300
/** Milliseconds: how often typing is told while it goes on, after which pause it has ended, and when others' is no longer believed. */
const TELL_TYPING_EVERY = 2_000
const TYPING_ENDS_AFTER = 3_000
const TYPING_EXPIRES_AFTER = 6_000

const [status, entrance, nickInput, roomChoice, room, roomName, people, log, typing, compose, text, problem, leave] = [
  'status', 'entrance', 'nick', 'room-choice', 'room', 'room-name', 'people', 'log', 'typing', 'compose', 'text', 'problem', 'leave'
].map(id => document.getElementById(id))

/** Where a reload of the page finds who is where; each tab has its own. */
const VISIT = 'visit'

/** By this the server knows who comes back, and keeps the name for them. */
const visitor = sessionStorage.getItem('visitor') ?? crypto.randomUUID()
sessionStorage.setItem('visitor', visitor)

/** The visit to a room, while there is one. */
let visit
let nick = ''

// ---- coming and going

entrance.addEventListener('submit', (event) => {
  event.preventDefault()
  join(roomChoice.value, nickInput.value)
})

leave.addEventListener('click', leaveRoom)

function leaveRoom () {
  visit.leave()
  visit = undefined
  sessionStorage.removeItem(VISIT)
  forgetConnection()
  people.textContent = ''
  text.value = ''
  showProblem('')
  room.hidden = true
  entrance.hidden = false
  showStatus('off', 'Not connected')
  nickInput.focus()
}

function join (name, wanted) {
  nick = wanted
  sessionStorage.setItem(VISIT, JSON.stringify([name, nick]))
  log.replaceChildren()
  isAtEnd = true
  roomName.textContent = `Room: ${name}`
  entrance.hidden = true
  room.hidden = false
  text.focus()
  showStatus('wait', 'Connecting…')
  visit = enter(name, nick, visitor, (news) => show[news.type](news))
}

/** Forgets what was true of the connection that has ended. */
function forgetConnection () {
  for (const timer of typists.values()) clearTimeout(timer)
  typists.clear()
  showTypists()
  endTyping()
}

// ---- what there is to show

const show = {
  connected () {
    showStatus('on', `Connected as ${nick}`)
  },
  waiting ({ delay }) {
    showStatus('wait', `Not connected. Trying again in ${Math.max(1, Math.ceil(delay / 1000))} s`)
    forgetConnection()
    people.textContent = ''
  },
  ended ({ reason }) {
    showStatus('off', `Not connected: ${reason}`)
    forgetConnection()
    people.textContent = ''
  },
  refused ({ reason }) {
    leaveRoom()
    showStatus('off', `Not connected: ${reason}`)
  },
  loading ({ isLoading }) {
    log.ariaBusy = String(isLoading)
  },
  loadFailed ({ reason }) {
    addLine('note', `What was said before could not be loaded: ${reason}`)
  },
  people ({ nicks }) {
    people.textContent = nicks.join(', ')
  },
  joined ({ nick }) {
    addLine('note', isolate(nick), ' joined')
  },
  left ({ nick }) {
    setTyping(nick, false)
    addLine('note', isolate(nick), ' left')
  },
  typing ({ nick, isTyping }) {
    setTyping(nick, isTyping)
  },
  said ({ said }) {
    setTyping(said.nick, false)
    addSaid(said)
  }
}

// ---- writing

const WAITS = 'This will be sent as soon as there is a connection.'

compose.addEventListener('submit', async (event) => {
  event.preventDefault()
  const words = text.value
  text.value = ''
  showProblem('')
  endTyping()
  if (status.dataset.state !== 'on') problem.textContent = WAITS
  // All limits are in the schema at the server, which answers with what is wrong.
  const mine = visit
  const fault = await mine.say(words)
  if (visit !== mine) return
  if (problem.textContent === WAITS) showProblem('')
  if (fault === undefined) return
  // It may be mended, unless another one is being written.
  if (text.value === '') text.value = words
  showProblem(fault)
})

let typingToldAt = -Infinity
let typingTimer

text.addEventListener('input', () => {
  showProblem('')
  if (text.value === '') return stopTyping()
  clearTimeout(typingTimer)
  typingTimer = setTimeout(stopTyping, TYPING_ENDS_AFTER)
  if (performance.now() - typingToldAt < TELL_TYPING_EVERY) return
  if (visit.tellTyping(true)) typingToldAt = performance.now()
})

function stopTyping () {
  if (typingToldAt !== -Infinity) visit.tellTyping(false)
  endTyping()
}

/** Ends it without telling: a message or the end of the connection says the same. */
function endTyping () {
  clearTimeout(typingTimer)
  typingToldAt = -Infinity
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

// ---- the page was loaded again

const visited = sessionStorage.getItem(VISIT)
if (visited !== null) {
  const [name, nick] = JSON.parse(visited)
  roomChoice.value = name
  nickInput.value = nick
  join(name, nick)
}
