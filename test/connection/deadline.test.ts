import t from 'tap'
import { Deadline } from '../../lib/connection/deadline.ts'
import { SLOT, TimerWheel } from '../../lib/connection/timer-wheel.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

t.test('over once its time has come, not earlier and a slot later at most', async t => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  let over = 0
  const deadline = new Deadline(1000, () => { over++ }, wheel)
  clock.advance(999)
  t.equal(over, 0)
  clock.advance(1 + SLOT)
  t.equal(over, 1)
  deadline.stop()
  clock.advance(5000)
  t.equal(over, 1, 'once')
})

t.test('stopped it never is', async t => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  const deadline = new Deadline(1000, () => { t.fail('it was stopped') }, wheel)
  clock.advance(500)
  deadline.stop()
  deadline.stop()
  clock.advance(5000)
  t.equal(wheel.size, 0)
})
