// A role is a type alone; what follows from it is shown on the core.
import t from 'tap'
import { encodeFrame } from '../../lib/protocol/frame-builder.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { readChunks } from '../helpers/recorder.ts'

const rows: ReadonlyArray<{ name: string, from: Role, to: Role, want: string }> = [
  { name: '§5.1 a client\'s frame is masked and a server reads it', from: 'client', to: 'server', want: 'text:a' },
  { name: '§5.1 a server\'s frame is not masked and a client reads it', from: 'server', to: 'client', want: 'text:a' },
  { name: '§5.1 a client refuses a client\'s frame', from: 'client', to: 'client', want: 'error:FST_WS_MASK_FORBIDDEN' },
  { name: '§5.1 a server refuses a server\'s frame', from: 'server', to: 'server', want: 'error:FST_WS_MASK_MISSING' }
]

for (const { name, from, to, want } of rows) {
  t.test(name, async t => {
    const frame = encodeFrame({ role: from, opcode: 1 }, 'a')
    t.equal(frame.length, from === 'client' ? 7 : 3)
    t.equal(readChunks(to, [frame]).at(-1), want)
  })
}
