// Starts a real Chromium for the tests: the one that FTW_CHROMIUM names, else the one that comes with npm.
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'

const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
]

/** How to start a browser. */
interface Candidate {
  readonly executable: string
  readonly env?: Readonly<Record<string, string>>
}

/** Starts the browser. When none can be started, the error says why, and what to install. */
export async function startBrowser (): Promise<Browser> {
  const reasons: string[] = []
  for (const find of candidates()) {
    try {
      const { executable, env } = await find()
      return await chromium.launch({
        executablePath: executable, args: ARGS, chromiumSandbox: false, timeout: 30_000, env: { ...process.env, ...env }
      })
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new Error('No Chromium could be started. Install one and say where it is, on Debian:\n' +
    `  apt-get install chromium && FTW_CHROMIUM=/usr/bin/chromium npm test\nTried:\n- ${reasons.join('\n- ')}`)
}

function candidates (): ReadonlyArray<() => Promise<Candidate>> {
  const named = process.env['FTW_CHROMIUM']
  if (named !== undefined && named !== '') return [async () => ({ executable: named })]
  return [
    unpack,
    // The libraries in the package want a recent C library; the system may have older ones of its own.
    async () => ({ executable: (await unpack()).executable })
  ]
}

/** Unpacks the browser of @sparticuz/chromium, once for each version: to node_modules/.cache, which goes when the package goes. */
async function unpack (): Promise<Candidate> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`@sparticuz/chromium is for Linux on x64, this is ${process.platform} on ${process.arch}`)
  }
  const root = fileURLToPath(new URL('../', import.meta.resolve('@sparticuz/chromium')))
  // It is an npm package.
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const folder = join(root, '../../.cache/fastify-typed-websocket', `chromium-${version}`)
  if (!existsSync(folder)) await unpackInto(folder, join(root, 'bin'))
  return {
    executable: join(folder, 'chromium'),
    env: {
      LD_LIBRARY_PATH: [join(folder, 'al2023/lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':'),
      FONTCONFIG_FILE: join(folder, 'fonts.conf')
    }
  }
}

/** Unpacks beside the folder first, so that nobody finds half of it there. */
async function unpackInto (folder: string, bin: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true })
  const staging = await mkdtemp(`${folder}-`)
  const { inflate } = await import('@sparticuz/chromium')
  // The package unpacks to the folder for temporary files, and asks for that at the call.
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = staging
  const unpacked = ['chromium.br', 'fonts.tar.br', 'al2023.tar.br'].map(name => inflate(join(bin, name)))
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  try {
    await Promise.all(unpacked)
    await writeFile(join(staging, 'fonts.conf'), `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
      <dir>${folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>`)
    await rename(staging, folder)
  } catch (error) {
    await rm(staging, { recursive: true, force: true })
    // Another process was faster.
    if (!existsSync(folder)) throw error
  }
}
