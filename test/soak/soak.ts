// `node build/test/soak/soak.js [seconds] [connections] [seed]`: the soak as a command. Exits with 1 if anything is off.
import { Soak } from './run.ts'

const [seconds = 180, connections = 2_000, seed = 1] = process.argv.slice(2).map(Number)
if (![seconds, connections, seed].every(Number.isSafeInteger)) throw new Error('usage: soak.js [seconds] [connections] [seed]')

const soak = await Soak.run({
  seconds,
  warmUpSeconds: Math.min(30, seconds / 4),
  connections,
  seed,
  heartbeat: { interval: 3_000, timeout: 5_000 },
  shutdownTimeout: 4_000,
  tell: (line) => console.log(line)
})
console.log(`\nlives: ${Object.entries(soak.lives).map(([name, count]) => `${name} ${count}`).join(', ')}\n`)
for (const { name, value, bound, isRight } of soak.checks) console.log(`${isRight ? 'ok    ' : 'NOT OK'} ${name.padEnd(44)} ${value.padStart(12)}  ${bound}`)
console.log(soak.isRight ? '\nall right' : '\nsomething is off')
process.exitCode = soak.isRight ? 0 : 1
