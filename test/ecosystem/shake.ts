// What each of these tests does first: a handshake over TCP, answered by a real server. Owns no expectation.
import type { RawAnswer } from '../helpers/raw-client.ts'
import { handshake } from '../helpers/raw-client.ts'
import type { TestApp } from '../helpers/app.ts'
import type { FrameClient } from '../helpers/frame-client.ts'

/** Sends a handshake and takes its answer, a 101 or a refusal; the connection goes with the test. */
export async function shake ({ open }: TestApp, path: string, fields: readonly string[] = []): Promise<RawAnswer> {
  const client = await open()
  const [answer] = await client.write(handshake(path, fields)).untilAnswers(1)
  if (answer === undefined) throw new Error('no answer') // untilAnswers has waited for it
  return answer
}

/** Takes the text of the n-th frame that came, from 0, waiting for it. */
export async function text (client: FrameClient, n = 0): Promise<string | undefined> {
  await client.untilFrames(n + 1)
  return client.frames[n]?.payload.toString()
}
