import t from 'tap'
import { Roster, isPattern } from '../../lib/hub/roster.ts'
import { Subscriber } from '../../lib/hub/subscriber.ts'
import { FakeSubscriber } from '../helpers/subscriber.ts'

const namesOf = (subscribers: Iterable<Subscriber> | undefined): string[] => [...subscribers ?? []].map(({ name }) => name)

t.test('found by topic and by connection, until it is removed', async (t) => {
  const roster = new Roster()
  const [a, b] = [new FakeSubscriber().asConnection, new FakeSubscriber().asConnection]
  const first = new Subscriber(a, 'room/a', false)
  for (const subscriber of [first, new Subscriber(a, 'news', false), new Subscriber(b, 'room/a', false)]) roster.add(subscriber)
  t.equal(roster.find(a, 'room/a'), first)
  t.equal(roster.find(b, 'news'), undefined)
  t.strictSame([roster.countOf(a), roster.countOf(b), roster.countOf(new FakeSubscriber().asConnection)], [2, 1, 0])
  t.strictSame(namesOf(roster.of(a)), ['room/a', 'news'])
  t.strictSame([...roster.at('room/a')?.keys() ?? []], [a, b])
  for (const subscriber of roster.of(a)) roster.remove(subscriber)
  t.equal(roster.find(a, 'room/a'), undefined)
  t.equal(roster.at('news'), undefined, 'nothing is left of a topic that nobody is subscribed to')
  t.strictSame([...roster.at('room/a')?.keys() ?? []], [b])
  t.strictSame(namesOf(roster.clear()), ['room/a'])
  t.strictSame([roster.at('room/a'), roster.countOf(b)], [undefined, 0])
})

const rows: ReadonlyArray<{ topic: string, want: string[] }> = [
  { topic: 'room/a', want: ['room/*'] },
  { topic: 'room/a/b', want: [] },
  { topic: 'room', want: ['*'] },
  { topic: 'rooms/a', want: [] }
]

t.test('a pattern is found by each topic that it stands for', async (t) => {
  const roster = new Roster()
  const all = ['room/*', '*', 'room/a'].map((name) => new Subscriber(new FakeSubscriber().asConnection, name, false))
  t.equal(roster.atPatternOf('room/a'), undefined)
  for (const subscriber of all) roster.add(subscriber)
  for (const { topic, want } of rows) t.strictSame(namesOf(roster.atPatternOf(topic)?.values()), want, topic)
  for (const subscriber of all) roster.remove(subscriber)
  for (const { topic } of rows) t.equal(roster.atPatternOf(topic), undefined, topic)
  t.strictSame(['*', 'room/*', 'room', 'room/a'].map(isPattern), [true, true, false, false])
})
