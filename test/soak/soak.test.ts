// The soak, short: the same clients, the same look at what is left.
import t from 'tap'
import { Soak } from './run.ts'

t.setTimeout(120_000)

t.test('T59 nothing is left of a few hundred clients that behave well and badly', async (t) => {
  const seed = Number(process.env.SOAK_SEED ?? 6455)
  t.comment(`SOAK_SEED=${seed}`)
  const soak = await Soak.run({
    seconds: 4,
    warmUpSeconds: 3,
    connections: 300,
    seed,
    heartbeat: { interval: 1_000, timeout: 2_500 },
    shutdownTimeout: 1_000,
    tell: (line) => t.comment(line)
  })
  for (const { name, value, bound, isRight } of soak.checks) t.ok(isRight, `${name}: ${value}, ${bound}`)
})
