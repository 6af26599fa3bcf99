// Who is told what of members: rows of what the engine tells, and when it answers.
import t from 'tap'
import { MAX_CHANGES, MemberView } from '../../lib/hub/member-view.ts'
import type { TopicMember } from '../../types/topics.ts'
import { FakeSubscriber } from '../helpers/subscriber.ts'

const member = (id: string, data: unknown = id): TopicMember => ({ id, data })

class Scene {
  /** What each watcher was told, by number. */
  readonly told: string[][] = [[], [], []]
  readonly #watchers = [new FakeSubscriber(), new FakeSubscriber(), new FakeSubscriber()].map((subscriber) => subscriber.asConnection)
  readonly view = new MemberView((watchers, change, { id }) => {
    for (const watcher of watchers) this.told[this.#watchers.indexOf(watcher)]?.push(`${change} ${id}`)
  })

  ask (who: number): void { this.view.ask(this.#watchers[who]!) } // one of three
  answer (who: number, ...ids: string[]): string[] { return this.view.answer(this.#watchers[who]!, ids.map((id) => member(id))).map(({ id }) => id) }
  remove (who: number): void { this.view.remove(this.#watchers[who]!) }
  note (...changes: Array<`${'join' | 'leave'} ${string}`>): void {
    for (const each of changes) {
      const [change, id = ''] = each.split(' ')
      this.view.note(change as 'join' | 'leave', member(id))
    }
  }
}

type Changes = Parameters<Scene['note']>

const rows: ReadonlyArray<{ name: string, meanwhile: Changes, answer: string[], late: Changes, members: string[], told: string[] }> = [
  { name: 'nothing happens', meanwhile: [], answer: ['a'], late: [], members: ['a'], told: [] },
  { name: 'one comes behind the answer, and is told before it is here', meanwhile: ['join b'], answer: ['a'], late: [], members: ['a', 'b'], told: [] },
  { name: 'one comes before the answer, and is told before it is here', meanwhile: ['join b'], answer: ['a', 'b'], late: [], members: ['a', 'b'], told: [] },
  { name: 'one comes before the answer, and is told late', meanwhile: [], answer: ['a', 'b'], late: ['join b'], members: ['a', 'b'], told: [] },
  { name: 'one goes behind the answer, and is told before it is here', meanwhile: ['leave a'], answer: ['a'], late: [], members: [], told: [] },
  { name: 'one goes before the answer, and is told late', meanwhile: [], answer: [], late: ['leave a'], members: [], told: [] },
  { name: 'one comes and goes meanwhile', meanwhile: ['join b', 'leave b'], answer: ['a', 'b'], late: [], members: ['a'], told: [] },
  { name: 'one goes and comes again meanwhile', meanwhile: ['leave a', 'join a'], answer: ['a'], late: [], members: ['a'], told: [] },
  { name: 'one comes, goes and comes later', meanwhile: [], answer: [], late: ['join b', 'leave b', 'join b'], members: [], told: ['join b', 'leave b', 'join b'] },
  { name: 'an event twice', meanwhile: [], answer: [], late: ['join b', 'join b', 'leave b', 'leave b'], members: [], told: ['join b', 'leave b'] }
]

for (const { name, meanwhile, answer, late, members, told } of rows) {
  t.test(`${name}: nothing is lost, and nothing is told twice`, async (t) => {
    const scene = new Scene()
    scene.ask(0)
    scene.note(...meanwhile)
    t.strictSame(scene.answer(0, ...answer), members)
    scene.note(...late)
    t.strictSame(scene.told[0], told)
  })

  t.test(`${name}: and another who knows of a hears it once as well`, async (t) => {
    const scene = new Scene()
    scene.ask(1)
    scene.answer(1, 'a')
    scene.ask(0)
    scene.note(...meanwhile)
    scene.answer(0, ...answer)
    scene.note(...late)
    const known = new Set(['a'])
    for (const each of scene.told[1] ?? []) {
      const [change, id = ''] = each.split(' ')
      t.equal(known.has(id), change === 'leave', each)
      if (change === 'join') known.add(id)
      else known.delete(id)
    }
    const left = new Set(members)
    for (const each of told) left[each.startsWith('join') ? 'add' : 'delete'](each.split(' ')[1] ?? '')
    t.strictSame([...known].toSorted(), [...left].toSorted())
  })
}

t.test('the latest data of who is there', async (t) => {
  const { view } = new Scene()
  const watcher = new FakeSubscriber().asConnection
  view.ask(watcher)
  view.note('join', member('a', 'old'))
  view.note('leave', member('b', 'old'))
  view.note('join', member('b', 'new'))
  t.strictSame(view.answer(watcher, [member('a', 'new'), member('b', 'old')]), [member('a', 'new'), member('b', 'new')])
})

t.test('who has gone is told nothing, and nothing is left', async (t) => {
  const scene = new Scene()
  t.equal(scene.view.isIdle, true)
  scene.ask(0)
  t.equal(scene.view.isIdle, false)
  scene.remove(0)
  t.equal(scene.view.isIdle, true)
  scene.ask(1)
  scene.answer(1, 'a')
  t.equal(scene.view.isIdle, false)
  scene.remove(1)
  t.equal(scene.view.isIdle, true)
  scene.note('join b')
  scene.ask(2)
  t.strictSame(scene.answer(2, 'a'), ['a'])
  scene.note('join b')
  t.strictSame(scene.told, [[], [], ['join b']], 'what another knew once is no matter')
})

t.test('more changes than may wait', async (t) => {
  const scene = new Scene()
  scene.ask(0)
  for (let n = 0; n <= MAX_CHANGES; n++) scene.note(`join ${n}`)
  t.throws(() => scene.answer(0), { message: /than may wait/ })
})
