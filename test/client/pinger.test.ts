import t from 'tap'
import { makePinger } from '../../lib/client/pinger.ts'
import type { Pinger } from '../../lib/client/pinger.ts'

t.test('pings at each interval while there is life, and tells once when there is none', async (t) => {
  let pings = 0
  let silent = 0
  const pinger: Pinger = makePinger({ interval: 10, timeout: 5 }, () => {
    pings++
    if (pings < 4) pinger.receive()
  }, () => { silent++ })
  pinger.start()
  while (silent === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  t.equal(pings, 4)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.strictSame([pings, silent], [4, 1])
})

t.test('stop', async (t) => {
  const pinger = makePinger({ interval: 1, timeout: 1 }, () => t.fail(), () => t.fail())
  pinger.start()
  pinger.stop()
  await new Promise((resolve) => setTimeout(resolve, 10))
})
