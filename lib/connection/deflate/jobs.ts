// Work for zlib's threads, of all connections of the process: a few pieces at a time, so that a thousand large messages do not have
// a thousand compressors at once. Owns who waits for a place.

/** Jobs that run at the same time: Node has four threads, and others need them too. */
export const MAX_JOBS = 4

let running = 0
const waiting: Array<() => void> = []

/** Runs a job as soon as there is a place for it. */
export async function runJob<T> (job: () => Promise<T>): Promise<T> {
  if (running === MAX_JOBS) await new Promise<void>((resolve) => { waiting.push(resolve) })
  else running++
  try {
    return await job()
  } finally {
    const next = waiting.shift()
    // The place goes from one to the next.
    if (next === undefined) running--
    else next()
  }
}
