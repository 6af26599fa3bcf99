import t from 'tap'
import { follows, isUpTo } from '../../lib/hub/position.ts'

const at = (offset: number, epoch = 'e'): { epoch: string, offset: number } => ({ epoch, offset })

t.test('what is part of what a position stands behind', async (t) => {
  t.ok(isUpTo(at(2), at(1)))
  t.ok(isUpTo(at(2), at(2)))
  t.notOk(isUpTo(at(2), at(3)))
  t.notOk(isUpTo(at(2), at(1, 'f')), 'of another epoch')
  t.notOk(isUpTo(undefined, at(1)))
  t.notOk(isUpTo(at(2), undefined), 'without a history')
})

t.test('what comes right behind', async (t) => {
  t.ok(follows(at(2), at(3)))
  for (const next of [at(2), at(1), at(4), at(3, 'f')]) t.notOk(follows(at(2), next), JSON.stringify(next))
  t.ok(follows(at(2), at(1, 'f')), 'a history that has begun anew')
})
