// What is handed out of what an engine delivers: rows of offsets with gaps and repeats, and what history says when it is asked.
import '../helpers/guard.ts'
import t from 'tap'
import { MAX_BY_PATTERN, Sequences } from '../../lib/hub/sequences.ts'
import { MAX_BACKLOG } from '../../lib/hub/subscriber.ts'
import type { TopicHistorySlice, TopicPosition, TopicRecord } from '../../types/topics.ts'
import { turns } from '../helpers/connection-pair.ts'

/** `e7` is offset 7 of epoch e. */
type At = `${'e' | 'f'}${number}`

const positionOf = (at: string): TopicPosition => ({ epoch: at.slice(0, 1), offset: Number(at.slice(1)) })
const nameOf = ({ epoch, offset }: TopicPosition): string => `${epoch}${offset}`
const recordOf = (at: string, topic = 'a'): TopicRecord => ({ topic, data: at, isJson: false, position: positionOf(at) })

class Scene {
  /** What was handed out, and `lost e6`. */
  readonly got: string[] = []
  readonly asked: string[] = []
  readonly errors: unknown[] = []
  wanted: 'name' | 'pattern' | undefined = 'name'
  stands: number | undefined
  /** Answers of history, by what was asked; for anything else it is not recovered. */
  history: Readonly<Record<string, readonly string[] | Error>> = {}
  standsAt: At = 'e99'
  #gate: Promise<void> | undefined

  readonly sequences = new Sequences({
    isWanted: () => this.wanted,
    standsAt: (_topic, { epoch }) => this.stands === undefined ? undefined : { epoch, offset: this.stands },
    lookUp: async (topic, since) => await this.#lookUp(topic, since),
    hand: ({ data }) => { this.got.push(String(data)) },
    onLost: (_topic, position) => { this.got.push(`lost ${position === undefined ? 'all' : nameOf(position)}`) },
    onError: (error) => { this.errors.push(error) }
  })

  take (...all: string[]): void {
    for (const at of all) this.sequences.take(recordOf(at))
  }

  /** Holds answers back. @returns lets them go */
  hold (): () => void {
    let release = (): void => {}
    this.#gate = new Promise((resolve) => { release = resolve })
    return () => {
      this.#gate = undefined
      release()
    }
  }

  async #lookUp (_topic: string, since: TopicPosition): Promise<TopicHistorySlice> {
    this.asked.push(nameOf(since))
    const answer = this.history[nameOf(since)]
    await this.#gate
    if (answer instanceof Error) throw answer
    const position = positionOf(answer?.at(-1) ?? this.standsAt)
    return { position, recovered: answer !== undefined, messages: (answer ?? []).map((at) => recordOf(at)) }
  }
}

const rows: ReadonlyArray<{
  name: string, take: At[], history?: Scene['history'], meanwhile?: At[], asked?: string[], want: string[], errors?: number
}> = [
  { name: 'in order', take: ['e5', 'e6', 'e7'], want: ['e5', 'e6', 'e7'] },
  { name: 'the first is taken as it is', take: ['e5'], want: ['e5'] },
  { name: 'repeats', take: ['e5', 'e5', 'e6', 'e5', 'e6', 'e7'], want: ['e5', 'e6', 'e7'] },
  { name: 'a gap that history has', take: ['e5', 'e8'], history: { e5: ['e6', 'e7', 'e8'] }, asked: ['e5'], want: ['e5', 'e6', 'e7', 'e8'] },
  { name: 'a gap, and more before history answers', take: ['e5', 'e7'], history: { e5: ['e6', 'e7'] }, meanwhile: ['e8', 'e8', 'e9'], asked: ['e5'], want: ['e5', 'e6', 'e7', 'e8', 'e9'] },
  { name: 'history has what is delivered later as well', take: ['e5', 'e7'], history: { e5: ['e6', 'e7', 'e8'] }, meanwhile: ['e8', 'e9'], asked: ['e5'], want: ['e5', 'e6', 'e7', 'e8', 'e9'] },
  { name: 'what was late comes after all', take: ['e5', 'e7'], history: { e5: ['e6', 'e7'] }, meanwhile: ['e6'], asked: ['e5'], want: ['e5', 'e6', 'e7'] },
  { name: 'a gap behind a gap', take: ['e5', 'e7'], history: { e5: ['e6', 'e7'], e7: ['e8', 'e9'] }, meanwhile: ['e9'], asked: ['e5', 'e7'], want: ['e5', 'e6', 'e7', 'e8', 'e9'] },
  { name: 'a gap that history has not', take: ['e5', 'e8', 'e9'], asked: ['e5'], want: ['e5', 'lost e7', 'e8', 'e9'] },
  { name: 'lost, and a gap behind it that history has', take: ['e5', 'e8'], history: { e8: ['e9', 'e10'] }, meanwhile: ['e10'], asked: ['e5', 'e8'], want: ['e5', 'lost e7', 'e8', 'e9', 'e10'] },
  { name: 'history with a gap of its own', take: ['e5', 'e9'], history: { e5: ['e6', 'e8', 'e9'] }, asked: ['e5', 'e6'], want: ['e5', 'e6', 'lost e8', 'e9'] },
  { name: 'history that fails', take: ['e5', 'e8'], history: { e5: new Error('down') }, asked: ['e5'], want: ['e5', 'lost e7', 'e8'], errors: 1 },
  { name: 'a history that begins anew', take: ['e5', 'f1', 'f2'], want: ['e5', 'f1', 'f2'] },
  { name: 'one that begins anew, its beginning is missing', take: ['e5', 'f3'], history: { f0: ['f1', 'f2', 'f3'] }, asked: ['f0'], want: ['e5', 'f1', 'f2', 'f3'] },
  { name: 'one that begins anew, its beginning is gone', take: ['e5', 'f3', 'f4'], asked: ['f0'], want: ['e5', 'lost f2', 'f3', 'f4'] },
  { name: 'one that begins anew while history is looked up', take: ['e5', 'e7'], history: { e5: ['e6', 'e7'] }, meanwhile: ['f1', 'f2'], asked: ['e5'], want: ['e5', 'e6', 'e7', 'f1', 'f2'] }
]

for (const { name, take, history = {}, meanwhile = [], asked = [], want, errors = 0 } of rows) {
  t.test(name, async (t) => {
    const scene = new Scene()
    scene.history = history
    const release = scene.hold()
    scene.take(...take)
    await turns(1)
    scene.take(...meanwhile)
    release()
    await turns(1)
    t.strictSame([scene.got, scene.asked, scene.errors.length], [want, asked, errors])
    const last = positionOf(want.at(-1) ?? '')
    t.strictSame(scene.sequences.lastOf('a'), last)
    scene.take(nameOf({ ...last, offset: last.offset + 1 }))
    t.strictSame([scene.got.length, scene.asked.length], [want.length + 1, asked.length], 'and on without a question')
  })
}

t.test('what has no position is handed out as it comes', async (t) => {
  const scene = new Scene()
  scene.take('e5')
  scene.sequences.take({ topic: 'a', data: 'none', isJson: false })
  scene.take('e6')
  t.strictSame(scene.got, ['e5', 'none', 'e6'])
})

t.test('the first that comes, and somebody stands before it', async (t) => {
  const scene = new Scene()
  scene.stands = 3
  scene.history = { e3: ['e4', 'e5'] }
  scene.take('e5', 'e6')
  await turns(1)
  t.strictSame([scene.got, scene.asked], [['e4', 'e5', 'e6'], ['e3']])
})

t.test('topics are apart', async (t) => {
  const scene = new Scene()
  scene.take('e5')
  scene.sequences.take(recordOf('f9', 'b'))
  scene.take('e6')
  t.strictSame([scene.got, scene.asked], [['e5', 'f9', 'e6'], []])
})

t.test('more comes than may wait while history is looked up: the rest is looked up again', async (t) => {
  const scene = new Scene()
  const range = (from: number, to: number): At[] => Array.from({ length: to - from + 1 }, (_, n): At => `e${from + n}`)
  const end = MAX_BACKLOG + 20
  scene.history = { e1: ['e2', 'e3'], [`e${MAX_BACKLOG + 2}`]: range(MAX_BACKLOG + 3, end) }
  const release = scene.hold()
  scene.take('e1', ...range(3, end))
  release()
  await turns(2)
  t.strictSame(scene.asked, ['e1', `e${MAX_BACKLOG + 2}`])
  t.strictSame(scene.got, range(1, end))
})

t.test('a position from history: what is behind it is missing if it does not come, and what is before it has been seen', async (t) => {
  const scene = new Scene()
  scene.history = { e5: ['e6', 'e7'] }
  scene.sequences.beginAt('a', positionOf('e5'))
  scene.take('e4', 'e5', 'e7')
  await turns(1)
  t.strictSame([scene.got, scene.asked], [['e6', 'e7'], ['e5']])
  scene.sequences.beginAt('a', positionOf('e9'))
  t.strictSame(scene.sequences.lastOf('a'), positionOf('e7'), 'one that is known stays')
})

t.test('where a topic is, for whoever comes with a position', async (t) => {
  const scene = new Scene()
  const { sequences } = scene
  t.strictSame([sequences.goesOnFrom('a', positionOf('e1')), sequences.hasCome('a', positionOf('e1')), sequences.lowest('a', positionOf('e1'))], [true, false, positionOf('e1')])
  scene.take('e5', 'e6')
  const positions = ['e3', 'e4', 'e6', 'e7', 'f1'].map(positionOf)
  t.strictSame(positions.map((position) => sequences.goesOnFrom('a', position)), [false, true, true, true, true])
  t.strictSame(positions.map((position) => sequences.hasCome('a', position)), [true, true, true, false, false])
  t.strictSame(positions.map((position) => nameOf(sequences.lowest('a', position)!)), ['e3', 'e4', 'e6', 'e6', 'e6'])
  t.equal(sequences.lowest('a', undefined), undefined)
})

t.test('all are looked up when the latest may be missing', async (t) => {
  const scene = new Scene()
  scene.take('e5')
  scene.history = { e5: ['e6', 'e7'] }
  await scene.sequences.lookUpAll()
  t.strictSame(scene.got, ['e5', 'e6', 'e7'])
  scene.history = { e7: [] }
  await scene.sequences.lookUpAll()
  t.strictSame(scene.got, ['e5', 'e6', 'e7'], 'nothing was')
  scene.history = {}
  await scene.sequences.lookUpAll()
  t.strictSame(scene.got, ['e5', 'e6', 'e7', 'lost e99'])
  scene.history = { e99: new Error('down') }
  await scene.sequences.lookUpAll()
  t.strictSame(scene.got.slice(4), ['lost all'])
  scene.take('f7')
  t.equal(scene.got.at(-1), 'f7', 'begun anew')
  t.strictSame(scene.asked, ['e5', 'e7', 'e7', 'e99'])
})

t.test('all are looked up, and what comes meanwhile shows that nothing was missing', async (t) => {
  const scene = new Scene()
  scene.take('e5')
  const release = scene.hold()
  const looking = scene.sequences.lookUpAll()
  await turns(1)
  scene.take('e6', 'e7')
  t.strictSame(scene.got, ['e5'], 'it waits')
  release()
  await looking
  scene.take('e8')
  t.strictSame([scene.got, scene.asked], [['e5', 'e6', 'e7', 'e8'], ['e5']])
})

t.test('looked up while a gap is mended: once more behind it', async (t) => {
  const scene = new Scene()
  scene.history = { e5: ['e6', 'e7'], e7: ['e8'] }
  const release = scene.hold()
  scene.take('e5', 'e7')
  await turns(1)
  void scene.sequences.lookUpAll()
  release()
  await turns(2)
  t.strictSame([scene.got, scene.asked], [['e5', 'e6', 'e7', 'e8'], ['e5', 'e7']])
})

t.test('nobody is subscribed any more: what history answers is for nobody', async (t) => {
  const scene = new Scene()
  scene.history = { e5: ['e6', 'e7'] }
  const release = scene.hold()
  scene.take('e5', 'e7')
  await turns(1)
  scene.sequences.forget('a')
  t.strictSame(scene.sequences.lastOf('a'), positionOf('e5'), 'as long as somebody is, it stays')
  scene.wanted = undefined
  scene.sequences.forget('a')
  scene.wanted = 'name'
  scene.take('e8')
  release()
  await turns(1)
  t.strictSame([scene.got, scene.sequences.lastOf('a')], [['e5', 'e8'], positionOf('e8')])
})

t.test('the end of a pattern, and of a name that a pattern stands for as well', async (t) => {
  const scene = new Scene()
  const { sequences } = scene
  const forget = (name: string, wanted: Scene['wanted']): void => {
    scene.wanted = wanted
    sequences.forget(name)
  }
  const has = (...topics: string[]): boolean[] => topics.map((topic) => sequences.lastOf(topic) !== undefined)
  scene.wanted = 'pattern'
  for (const topic of ['room/a', 'room/b', 'other/a']) sequences.take(recordOf('e1', topic))
  forget('room/*', 'name')
  t.strictSame(has('room/a', 'room/b', 'other/a'), [true, true, true], 'they are subscribed to by name')
  forget('room/a', 'pattern')
  forget('room/b', undefined)
  t.strictSame(has('room/a', 'room/b'), [true, false])
  forget('room/*', undefined)
  t.strictSame(has('room/a', 'other/a'), [false, true], 'of that pattern alone')
  forget('none', 'pattern')
  t.strictSame(has('none'), [false])
})

t.test('no place is kept of what nobody wants, nor of more topics than that by patterns', async (t) => {
  const scene = new Scene()
  const { sequences } = scene
  scene.wanted = undefined
  scene.take('e5')
  t.equal(sequences.lastOf('a'), undefined)
  scene.wanted = 'pattern'
  for (let n = 0; n < MAX_BY_PATTERN; n++) sequences.take(recordOf('e1', `room/${n}`))
  sequences.take(recordOf('e1', 'room/more'))
  t.equal(sequences.lastOf('room/more'), undefined)
  scene.wanted = 'name'
  scene.take('e5')
  t.strictSame(sequences.lastOf('a'), positionOf('e5'))
  // Subscribers by name come and go.
  scene.wanted = 'pattern'
  sequences.forget('a')
  t.equal(sequences.lastOf('a'), undefined)
  scene.wanted = 'name'
  scene.history = { e5: ['e6', 'e7'] }
  scene.take('e5', 'e7')
  scene.wanted = 'pattern'
  sequences.forget('a')
  await turns(1)
  t.strictSame(scene.got.slice(-3), ['e5', 'e6', 'e7'], 'those behind a gap that is mended are not lost')
  t.equal(scene.got.length, MAX_BY_PATTERN + 6, 'all is handed out')
  sequences.clear()
  t.equal(sequences.lastOf('a'), undefined)
})
