// Modules of the tests in processes of their own.
import { fork } from 'node:child_process'
import type { ChildProcess, ForkOptions } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Starts a module, without what tap loads into all child processes: it does so by NODE_OPTIONS, which it adds to whatever `env` they
 * are given, so that `env` of the system has to take it away again.
 */
export function forkPlain (module: URL, args: readonly string[] = [], options: ForkOptions = {}): ChildProcess {
  const plain = process.platform === 'win32' ? {} : { execPath: 'env', execArgv: ['-u', 'NODE_OPTIONS', process.execPath, ...options.execArgv ?? []] }
  return fork(fileURLToPath(module), args, { ...options, ...plain })
}
