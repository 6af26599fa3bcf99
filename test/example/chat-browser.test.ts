// The chat as its visitors meet it: a real Chromium, the real server, and what the page shows.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { BrowserContextOptions, Locator, Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { build } from '../../example/chat/server.ts'
import { startBrowser } from './browser.ts'

t.setTimeout(120_000)

const browser = await startBrowser()
t.teardown(() => browser.close())

interface Server {
  readonly app: FastifyInstance
  readonly origin: string
}

async function serve (t: Test, port = 0): Promise<Server> {
  const app = await build()
  t.teardown(() => app.close())
  return { app, origin: await app.listen({ host: '127.0.0.1', port }) }
}

/** A page of the chat in a window of its own, and what went wrong in there. */
class Visitor {
  readonly page: Page
  /** Errors, warnings, and violations of the Content-Security-Policy. */
  readonly complaints: string[] = []

  constructor (page: Page) {
    this.page = page
    page.setDefaultTimeout(10_000)
    page.on('pageerror', error => this.complaints.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text())
    })
  }

  get message (): Locator { return this.page.getByLabel('Message', { exact: true }) }
  get log (): Locator { return this.page.getByRole('log', { name: 'Messages' }) }
  get said (): Locator { return this.log.locator('.said') }

  async join (nick: string): Promise<void> {
    await this.page.getByLabel('Your name').fill(nick)
    await this.page.getByRole('button', { name: 'Join' }).click()
    await this.sees('status', `Connected as ${nick}`)
  }

  async says (words: string): Promise<void> {
    await this.message.fill(words)
    await this.message.press('Enter')
  }

  /** Waits for words among others in the status, the log or the alert. */
  async sees (role: 'status' | 'log' | 'alert', words: string | RegExp): Promise<void> {
    await this.page.getByRole(role).filter({ hasText: words }).waitFor()
  }

  /** Waits until these words are all the text of an element. */
  async reads (id: string, words: string): Promise<void> {
    const all = new RegExp(`^${words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)
    await this.page.locator(`#${id}`).filter({ hasText: all }).waitFor({ state: 'attached' })
  }

  /** Waits for a condition in the page. Not by waitForFunction, whose eval the Content-Security-Policy refuses. */
  async until (condition: string): Promise<void> {
    await this.page.evaluate(`new Promise((resolve, reject) => {
      const look = () => (${condition}) ? resolve() : requestAnimationFrame(look)
      look()
      setTimeout(() => reject(new Error('in vain: ' + ${JSON.stringify(condition)})), 10_000)
    })`)
  }

  /** What the focused element is, and whether one sees it. */
  async focus (): Promise<{ id: string, text: string, outline: boolean }> {
    return await this.page.evaluate(`(() => {
      const { id, textContent } = document.activeElement
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement)
      return { id, text: textContent.trim(), outline: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 }
    })()`)
  }
}

async function open (t: Test, { origin }: Server, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  const visitor = new Visitor(await context.newPage())
  await visitor.page.addInitScript(`addEventListener('securitypolicyviolation', (event) => {
    console.error('CSP', event.violatedDirective, event.blockedURI)
  })`)
  await visitor.page.goto(origin)
  return visitor
}

async function enter (t: Test, server: Server, nick: string): Promise<Visitor> {
  const visitor = await open(t, server)
  await visitor.join(nick)
  return visitor
}

t.test('two pages in one room: join, messages both ways, typing, leave', async (t) => {
  const server = await serve(t)
  const ann = await enter(t, server, 'ann')
  const ben = await enter(t, server, 'ben')
  await ann.sees('log', 'ben joined')
  await ann.reads('people', 'ann, ben')
  await ben.reads('people', 'ann, ben')

  await ben.message.pressSequentially('hel')
  await ann.reads('typing', 'ben is typing…')
  await ben.message.fill('')
  await ann.reads('typing', '')
  await ben.message.pressSequentially('hello')
  await ann.reads('typing', 'ben is typing…')
  await ben.message.press('Enter')
  await ann.sees('log', 'hello')
  await ann.reads('typing', '')
  await ben.sees('log', 'hello')
  t.match(await ann.said.innerText(), /^ben, .+\nhello$/)
  t.match(await ben.said.innerText(), /^ben \(you\), .+\nhello$/)
  t.equal(await ben.message.inputValue(), '')

  const markup = '<img src="x" onerror="alert(1)"> & <b>bold</b>'
  await ann.says(markup)
  await ben.sees('log', markup)
  t.equal(await ben.page.locator('img, b').count(), 0, 'what others write is text')

  const late = await open(t, server)
  await late.page.getByLabel('Your name').fill('Ann')
  await late.page.getByRole('button', { name: 'Join' }).click()
  await late.sees('status', 'Not connected: ann is here already: choose another name')
  t.match(await late.focus(), { id: 'nick' })
  await late.join('cid')
  await late.sees('log', 'hello')
  await late.sees('log', markup)
  t.equal(await late.said.count(), 2, 'who comes late gets the history')

  await ben.message.pressSequentially('bye')
  await ann.reads('typing', 'ben is typing…')
  await ben.page.getByRole('button', { name: 'Leave' }).click()
  await ann.sees('log', 'ben left')
  await ann.reads('typing', '')
  await ann.reads('people', 'ann, cid')
  await ben.reads('status', 'Not connected')
  t.match(await ben.focus(), { id: 'nick' })

  await ben.join('ben')
  await ben.reads('people', 'ann, cid, ben')
  t.equal(await ben.message.inputValue(), '', 'nothing is left of what was being written')
  await ben.sees('log', markup)
  t.equal(await ben.log.locator('.note').count(), 0, 'nor of what the log had but the history has not')
  t.strictSame([ann, ben, late].map(({ complaints }) => complaints), [[], [], []])
})

t.test('who types', async (t) => {
  const server = await serve(t)
  const ann = await enter(t, server, 'ann')
  const ben = await enter(t, server, 'ben')
  const guest = async (nick: string): Promise<void> => {
    const client = await server.app.injectWS(`/chat?nick=${nick}`)
    t.teardown(() => client.terminate())
    client.send(JSON.stringify({ type: 'ws:publish', id: 1, topic: 'typing/lobby', message: { nick, isTyping: true } }))
  }
  for (const { page } of [ann, ben]) await page.clock.install()

  await ben.message.pressSequentially('hm')
  await ann.reads('typing', 'ben is typing…')
  await ben.page.clock.fastForward(3_000)
  await ann.reads('typing', '')

  await guest('cid')
  await ann.reads('typing', 'cid is typing…')
  await guest('dan')
  await ann.reads('typing', 'cid and dan are typing…')
  await guest('eve')
  await ann.reads('typing', 'Several people are typing…')
  await ann.page.clock.fastForward(6_000)
  await ann.reads('typing', '')
  t.strictSame([ann, ben].map(({ complaints }) => complaints), [[], []])
})

t.test('the history, and what is said while it is being loaded', async (t) => {
  const server = await serve(t)
  const ben = await enter(t, server, 'ben')
  await ben.says('one')
  await ben.sees('log', 'one')

  const ann = await open(t, server)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  await ann.page.route('**/messages', async (route) => {
    const response = await route.fetch()
    await held
    await route.fulfill({ response })
  })
  const asked = ann.page.waitForRequest('**/messages')
  await ann.join('ann')
  await asked
  t.equal(await ann.log.getAttribute('aria-busy'), 'true')
  await ben.says('two')
  await ben.message.pressSequentially('behind it, so that two has arrived')
  await ann.reads('typing', 'ben is typing…')
  t.equal(await ann.said.count(), 0)
  release()
  await ann.sees('log', 'two')
  t.strictSame(await ann.said.locator('> bdi').allInnerTexts(), ['one', 'two'])
  t.equal(await ann.log.getAttribute('aria-busy'), 'false')

  const cid = await open(t, server)
  await cid.page.route('**/messages', route => route.fulfill({ status: 500 }))
  await cid.join('cid')
  await cid.sees('log', 'What was said before could not be loaded: the server answered 500')
  await ben.says('three')
  await cid.sees('log', 'three')

  await ben.page.evaluate(`for (let n = 1; n <= 310; n++) {
    document.getElementById('text').value = 'message ' + n
    document.getElementById('compose').requestSubmit()
  }`)
  await ann.sees('log', 'message 310')
  t.equal(await ann.log.locator('> *').count(), 300, 'the log is bounded')
  t.strictSame([ann, ben].map(({ complaints }) => complaints), [[], []])
})

t.test('what the server refuses is shown as text', async (t) => {
  const server = await serve(t)
  const ann = await enter(t, server, 'ann')
  await ann.says('fine')
  await ann.sees('log', 'fine')
  const rows = [
    { name: 'blank', text: '   ' },
    { name: 'empty', text: '' },
    { name: 'too long', text: 'x'.repeat(501) }
  ]
  for (const { name, text } of rows) {
    await ann.says(text)
    await ann.sees('alert', /^Not sent: .*\/text Expected string/)
    t.equal(await ann.message.inputValue(), text, `${name}: the text is there to be mended`)
    t.equal(await ann.message.getAttribute('aria-invalid'), 'true')
    await ann.message.pressSequentially('.')
    await ann.reads('problem', '')
    t.equal(await ann.message.getAttribute('aria-invalid'), 'false')
  }
  await ann.says('fine again')
  await ann.sees('log', 'fine again')
  await ann.reads('status', 'Connected as ann')
  t.strictSame(ann.complaints, [])

  const ben = await open(t, server)
  await ben.page.getByLabel('Your name').fill('<ben>')
  await ben.page.getByRole('button', { name: 'Join' }).click()
  t.ok(await ben.page.evaluate("document.getElementById('nick').matches(':invalid')"))
  await ben.reads('status', 'Not connected')
  await ben.page.evaluate("document.getElementById('nick').removeAttribute('pattern')")
  await ben.page.getByRole('button', { name: 'Join' }).click()
  await ben.sees('status', /^Not connected. Trying again in \d+ s$/)
  t.match(ben.complaints[0], /Unexpected response code: 400/, 'the query is checked before the handshake is accepted')
})

t.test('a connection that the server closes comes back, and nothing is lost or said twice', async (t) => {
  const server = await serve(t)
  const ann = await enter(t, server, 'ann')
  const ben = await enter(t, server, 'ben')
  await ben.says('before')
  await ann.sees('log', 'before')
  await ann.message.pressSequentially('half a sen')

  await ann.page.evaluate(`{
    window.seen = []
    const element = document.getElementById('status')
    new MutationObserver(() => seen.push(element.textContent)).observe(element, { childList: true })
  }`)

  for (const how of ['close', 'terminate'] as const) {
    const connections = [...server.app.websocket.connections]
    connections.find(({ request }) => request.url.includes('nick=ann&'))?.[how]()
    await ben.reads('people', 'ben')
    await ben.says(`while she was away (${how})`)
    await ann.sees('log', `while she was away (${how})`)
    const seen = await ann.page.evaluate<string[]>('seen.splice(0)')
    t.strictSame(seen, ['Not connected. Trying again in 1 s', 'Connected as ann'])
    await ann.reads('people', 'ben, ann')
  }
  t.equal(await ann.said.count(), 3)
  t.equal(await ann.message.inputValue(), 'half a sen')
  t.strictSame([ann, ben].map(({ complaints }) => complaints), [[], []])
})

t.test('the pages come back after a restart of the server', async (t) => {
  const server = await serve(t)
  const ann = await enter(t, server, 'ann')
  const ben = await enter(t, server, 'ben')
  await ann.says('before')
  await ben.sees('log', 'before')
  await server.app.close()
  await ann.sees('status', /Trying again/)
  await ben.sees('status', /Trying again/)
  await ann.says('into the void')
  await ann.reads('problem', 'This will be sent as soon as there is a connection.')

  await serve(t, Number(new URL(server.origin).port))
  await ann.sees('status', 'Connected as ann')
  await ben.sees('status', 'Connected as ben')
  await ben.sees('log', 'into the void')
  await ann.reads('problem', '')
  await ann.says('and on')
  await ben.sees('log', 'and on')
  t.strictSame(await ben.said.locator('> bdi').allInnerTexts(), ['before', 'into the void', 'and on'])
  const unexpected = [...ann.complaints, ...ben.complaints].filter(text => !text.includes('ERR_CONNECTION_REFUSED'))
  t.strictSame(unexpected, [], 'but what the browser itself says of a server that is not there')
})

t.test('a reload of the page keeps the room and what was said', async (t) => {
  const server = await serve(t)
  const ann = await enter(t, server, 'ann')
  const ben = await enter(t, server, 'ben')
  await ann.says('one')
  await ben.says('two')
  await ann.sees('log', 'two')
  await ann.page.reload()
  await ann.sees('status', 'Connected as ann')
  await ann.sees('log', 'two')
  t.strictSame(await ann.said.locator('> bdi').allInnerTexts(), ['one', 'two'])
  await ben.sees('log', 'ann left')
  await ben.reads('people', 'ben, ann')
  await ann.reads('people', 'ben, ann')
  await ben.says('three')
  await ann.sees('log', 'three')

  await ann.page.getByRole('button', { name: 'Leave' }).click()
  await ann.page.reload()
  await ann.reads('status', 'Not connected')
  t.strictSame([ann, ben].map(({ complaints }) => complaints), [[], []])
})

t.test('keyboard alone', async (t) => {
  const server = await serve(t)
  const ben = await enter(t, server, 'ben')
  const ann = await open(t, server)
  const { keyboard } = ann.page

  await keyboard.press('Tab')
  t.match(await ann.focus(), { id: 'nick', outline: true })
  await keyboard.type('ann')
  await keyboard.press('Tab')
  t.match(await ann.focus(), { id: 'room-choice', outline: true })
  await keyboard.press('ArrowDown')
  await keyboard.press('ArrowUp')
  await keyboard.press('Tab')
  t.match(await ann.focus(), { text: 'Join', outline: true })
  await keyboard.press('Space')
  await ann.sees('status', 'Connected as ann')

  t.match(await ann.focus(), { id: 'text', outline: true }, 'one can write at once')
  for (let line = 1; line <= 30; line++) {
    await keyboard.type(`line ${line}`)
    await keyboard.press('Enter')
  }
  await ann.sees('log', 'line 30')
  await ben.sees('log', 'line 30')

  await keyboard.press('Shift+Tab')
  t.match(await ann.focus(), { id: 'log', outline: true })
  t.equal(await ann.log.getAttribute('tabindex'), '0', 'not only in browsers that make a tab stop of whatever scrolls')
  const scrollTop = 'log.scrollTop' // elements with an id are globals
  const bottom = await ann.page.evaluate<number>(scrollTop)
  t.ok(bottom > 0, 'the newest line is in sight')
  await keyboard.press('Home')
  await ann.until(`${scrollTop} === 0`)
  await ben.says('one more')
  await ann.sees('log', 'one more')
  t.equal(await ann.page.evaluate(scrollTop), 0, 'who reads further up stays there')

  await keyboard.press('Tab')
  await keyboard.press('Tab')
  t.match(await ann.focus(), { text: 'Send', outline: true })
  for (let tabs = 0; tabs < 3; tabs++) await keyboard.press('Shift+Tab')
  t.match(await ann.focus(), { id: 'leave', outline: true })
  await keyboard.press('Enter')
  await ben.sees('log', 'ann left')
  t.match(await ann.focus(), { id: 'nick', outline: true })
  t.strictSame([ann, ben].map(({ complaints }) => complaints), [[], []])
})

const looks = [
  { name: 'light', colorScheme: 'light', width: 1024, height: 720 },
  { name: 'dark', colorScheme: 'dark', width: 1024, height: 720 },
  { name: 'light, narrow', colorScheme: 'light', width: 320, height: 568 },
  { name: 'dark, low', colorScheme: 'dark', width: 568, height: 320 }
] as const

t.test('looks', async (t) => {
  const folder = await screenshotFolder(t)
  const server = await serve(t)
  const ben = await enter(t, server, 'ben')
  await ben.says('Has anybody seen the kettle?')
  await ben.says('unbreakable'.repeat(16))
  for (const { name, colorScheme, width, height } of looks) {
    const ann = await open(t, server, { colorScheme, viewport: { width, height } })
    const shoot = async (what: string): Promise<void> => {
      await ann.page.screenshot({ path: join(folder, `${name}, ${what}.png`) })
      const problems = await ann.page.evaluate<string[]>(`(${findUgliness})()`)
      t.strictSame(problems, [], `${name}, ${what}`)
    }
    await shoot('entrance')
    await ann.join('ann')
    await ann.says(`In the garden, by the ${name} door.`)
    await ben.message.pressSequentially('what')
    await ann.reads('typing', 'ben is typing…')
    await ann.says(' ')
    await ann.sees('alert', /Not sent/)
    // Also when what the alert says takes its place.
    await ann.until('log.scrollHeight - log.scrollTop - log.clientHeight < 2')
    await shoot('room')
    const background = await ann.page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    const channels = background.match(/\d+/g) ?? []
    t.equal(channels.every(channel => Number(channel) > 200), colorScheme === 'light', `${name}: ${background}`)
    t.equal(channels.every(channel => Number(channel) < 50), colorScheme === 'dark', `${name}: ${background}`)
    await ann.page.getByRole('button', { name: 'Leave' }).click()
    await ben.sees('log', 'ann left')
    await ben.message.fill('')
    t.strictSame(ann.complaints, [])
  }
})

/** FTW_SCREENSHOTS names a folder to keep them in. */
async function screenshotFolder (t: Test): Promise<string> {
  const kept = process.env['FTW_SCREENSHOTS']
  if (kept !== undefined && kept !== '') {
    await mkdir(kept, { recursive: true })
    return kept
  }
  const folder = await mkdtemp(join(tmpdir(), 'ftw-screenshots-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** Runs in the page: text of too little contrast (WCAG 2.2, 1.4.3 and 1.4.11), small targets (2.5.8), and what has no room (1.4.10). */
const findUgliness = `() => {
  const problems = []
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number)
  const luminance = (color) => {
    const [r, g, b] = rgb(color).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  }
  const backgroundOf = (element) => {
    const { backgroundColor } = getComputedStyle(element)
    return rgb(backgroundColor)[3] === 0 ? backgroundOf(element.parentElement) : backgroundColor
  }
  let texts = 0
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility()) continue
    const name = element.tagName + '#' + element.id + '.' + element.className
    // Inline elements have no clientWidth; fields scroll by themselves.
    if (element.clientWidth > 0 && element.scrollWidth > element.clientWidth && element.tagName !== 'INPUT') {
      problems.push(name + ': its content is wider')
    }
    const { color, borderTopColor } = getComputedStyle(element)
    const hasText = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim() !== '') || element.tagName === 'INPUT'
    if (hasText) {
      texts++
      const ratio = contrast(color, backgroundOf(element))
      if (ratio < 4.5) problems.push(name + ': text ' + ratio.toFixed(2))
    }
    if (!element.matches('input, select, button')) continue
    const ratio = contrast(borderTopColor, backgroundOf(element.parentElement))
    if (ratio < 3) problems.push(name + ': border ' + ratio.toFixed(2))
    const { width, height } = element.getBoundingClientRect()
    if (width < 24 || height < 24) problems.push(name + ': ' + width + ' x ' + height)
  }
  if (texts < 5) problems.push('only ' + texts + ' texts')
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth > clientWidth) problems.push('scrolls sideways: ' + scrollWidth + ' > ' + clientWidth)
  return problems
}`
