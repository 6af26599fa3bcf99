import t from 'tap'
import { PLUGIN_RULES, ROUTE_RULES, checkOptions, isPlainObject, show } from '../../lib/plugin/option-rules.ts'
import type { Rule } from '../../lib/plugin/option-rules.ts'

const RULES: Readonly<Record<string, Rule>> = {
  even: { allowed: 'even', accepts: value => Number(value) % 2 === 0, explain: value => value === 1 ? 'one is odd' : undefined },
  group: { allowed: 'an object', accepts: isPlainObject, fields: { inner: { allowed: 'an object', accepts: isPlainObject, fields: { flag: { allowed: 'true', accepts: value => value === true } } } } }
}

t.test('options that are allowed come back, without those that are undefined', async (t) => {
  const options = { even: 2, group: { inner: { flag: true, other: undefined } } }
  t.strictSame(checkOptions({ ...options, nonsense: undefined }, RULES, 'x'), options)
})

const REFUSED: ReadonlyArray<[options: object, name: string, rest: string]> = [
  [{ even: 3 }, 'even', 'got 3, must be even'],
  [{ even: 1 }, 'even', 'one is odd'],
  [{ odd: 1 }, 'odd', 'there is no such option, only even, group'],
  [{ toString: 1 }, 'toString', 'there is no such option, only even, group'],
  [{ group: { inner: 1 } }, 'group.inner', 'got 1, must be an object'],
  [{ group: { inner: { flag: false } } }, 'group.inner.flag', 'got false, must be true'],
  [{ group: { inner: { flags: true } } }, 'group.inner.flags', 'there is no such option, only flag']
]
for (const [options, name, rest] of REFUSED) {
  t.test(`${name}: ${rest}`, async (t) => {
    t.throws(() => checkOptions(options, RULES, 'x'), { code: 'FST_WS_INVALID_OPTION', message: `invalid option "${name}" of x: ${rest}` })
  })
}

t.test('topics that defineTopic would not take', async (t) => {
  const topics = [{ name: 'good' }, { name: 'news', history: { size: NaN } }]
  for (const [name, value] of [['topics', topics], ['topics', { allow: topics }]] as const) {
    t.throws(() => checkOptions({ [name]: value }, ROUTE_RULES, 'x'), {
      code: 'FST_WS_INVALID_OPTION', message: /of x: topic "news": history\.size must be an integer from 1 on, got NaN$/
    })
  }
})

t.test('every option of a route is one of the plugin', async (t) => {
  t.same(Object.keys(ROUTE_RULES).filter((name) => !Object.hasOwn(PLUGIN_RULES, name)), [])
})

t.test('values in errors', async (t) => {
  const circular: unknown[] = []
  circular.push(circular)
  let deep: unknown[] = []
  for (let n = 0; n < 100_000; n++) deep = [deep]
  const rows: ReadonlyArray<[value: unknown, shown: string]> = [
    ['a"b', '"a\\"b"'], ['x'.repeat(90), `"${'x'.repeat(80)}"`], [[1, 'a', [null]], "[ 1, 'a', [ null ] ]"], [() => {}, 'a function'],
    [null, 'null'], [5n, '5'], [Symbol('s'), 'Symbol(s)'], [/x/, '/x/'], [{}, '{}'], [{ origin: 'https://a', list: [{ b: {} }] }, "{ origin: 'https://a', list: [ [Object] ] }"],
    [new Map([[1, 2]]), 'Map(1) { 1 => 2 }'], [[,], '[ <1 empty item> ]'], [circular, '<ref *1> [ [Circular *1] ]'], // eslint-disable-line no-sparse-arrays
    [Array.from({ length: 1e6 }, () => 'a'), "[ 'a', 'a', 'a', 'a', 'a', ... 999995 more items ]"],
    [{ ['x'.repeat(90)]: 1 }, `{ ${'x'.repeat(78)}...`], [{ get a () { throw new Error('called') } }, '{ a: [Getter] }'], [deep, '[ [ [Array] ] ]']
  ]
  for (const [value, shown] of rows) t.equal(show(value), shown)
})
