// Waits for what open connections hold only while they work, and closed ones a moment longer.
import { setTimeout as wait } from 'node:timers/promises'
import { LOOK_EVERY } from '../../lib/connection/rest.ts'

/** Resolves when whoever has fallen silent has been asked twice whether it is at rest: until then it is held. */
export async function untilAtRest (): Promise<void> {
  await wait(3 * LOOK_EVERY)
}
