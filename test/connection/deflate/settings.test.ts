import t from 'tap'
import { deflateSettings } from '../../../lib/connection/deflate/settings.ts'

const params = { serverNoContextTakeover: true, clientNoContextTakeover: false, serverMaxWindowBits: 9, clientMaxWindowBits: 12 }
const tuning = { threshold: 100, level: 6, memLevel: 3 }

const rows = [
  { role: 'server' as const, want: { sendBits: 9, sendsContext: false, receiveBits: 12, receivesContext: true } },
  { role: 'client' as const, want: { sendBits: 12, sendsContext: true, receiveBits: 9, receivesContext: false } }
]

for (const { role, want } of rows) {
  t.test(`RFC 7692 §7.1 what was agreed on, as the ${role} sees it`, async t => {
    t.strictSame(deflateSettings(params, role, tuning), { ...tuning, keepsHandles: true, ...want })
    t.equal(deflateSettings(params, role, { ...tuning, keepsHandles: false }).keepsHandles, false)
    t.ok(Object.isFrozen(deflateSettings(params, role, tuning)), 'one object serves many connections')
  })
}

t.test('in a small window the quick levels find nothing: at least level 6', async (t) => {
  const params = { serverNoContextTakeover: true, clientNoContextTakeover: true, clientMaxWindowBits: 15 }
  const levelOf = (serverMaxWindowBits: number, level: number): number => deflateSettings({ ...params, serverMaxWindowBits }, 'server', { threshold: 0, level, memLevel: 8 }).level
  t.same([8, 9, 10, 11, 15].map((bits) => levelOf(bits, 1)), [6, 6, 6, 1, 1])
  t.equal(levelOf(9, 9), 9)
})
