// The processes of clients of the soak, seen from the server's: started, frozen, killed.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { ClientOptions, ClientReport } from './clients.ts'
import { forkPlain } from '../helpers/fork-plain.ts'

export class Clients {
  #report: ClientReport = { lives: {}, wrong: {}, wrongs: 0, lag: 0 }
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>

  constructor (options: ClientOptions) {
    this.#child = forkPlain(new URL('./clients.js', import.meta.url), [JSON.stringify(options)])
    this.#exited = once(this.#child, 'exit')
    this.#child.on('message', (report) => { this.#report = report as ClientReport }) // it sends nothing else
  }

  /** What it told last. */
  get report (): ClientReport {
    return this.#report
  }

  /** Stops the process as it stands. The kernel still takes bytes for it, and nobody answers: all its connections are half-open. */
  freeze (): void {
    this.#child.kill('SIGSTOP')
  }

  /** Ends it: what is open ends by the kernel. */
  async stop (): Promise<void> {
    if (this.#child.connected) this.#child.send('stop')
    await this.#exited
  }

  async kill (): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}
