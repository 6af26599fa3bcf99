// A server under measurement, from its parent's side.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Peer } from './peers.ts'
import type { Memory, Usage } from './servers/report.ts'
import type { ServerSettings } from './servers/settings.ts'

export class ServerProcess {
  readonly port: number
  readonly #child: ChildProcess

  private constructor (child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  static async start ({ file, program, plugin, route }: Peer, settings: ServerSettings): Promise<ServerProcess> {
    const given = { ...settings, ...(plugin && { plugin }), ...(route && { route }) }
    const options = program === undefined ? { execArgv: ['--expose-gc'] } : { execPath: program, execArgv: [] }
    const child = fork(file, [JSON.stringify(given)], options)
    // What bench/servers/report.ts sends, here and below.
    const { port } = await answer(child) as { port: number }
    return new ServerProcess(child, port)
  }

  usage (): Promise<Usage> {
    return this.#ask('usage') as Promise<Usage>
  }

  /** Collects garbage before. */
  memory (): Promise<Memory> {
    return this.#ask('memory') as Promise<Memory>
  }

  async stop (): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }

  #ask (question: string): Promise<unknown> {
    this.#child.send(question)
    return answer(this.#child)
  }
}

async function answer (child: ChildProcess): Promise<unknown> {
  const aborter = new AbortController()
  const { signal } = aborter
  try {
    const exited = once(child, 'exit', { signal }).then(() => { throw new Error(`${child.spawnargs.join(' ')} has ended`) })
    const [message] = await Promise.race([once(child, 'message', { signal }), exited]) as [unknown]
    return message
  } finally {
    aborter.abort()
  }
}
