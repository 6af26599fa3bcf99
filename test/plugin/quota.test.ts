import t from 'tap'
import { Quota, addressOf } from '../../lib/plugin/quota.ts'
import type { Place } from '../../lib/plugin/quota.ts'

const ADDRESS_ROWS: ReadonlyArray<[name: string, ip: string | undefined, address: string]> = [
  ['IPv4', '192.0.2.1', '192.0.2.1'],
  ['IPv4 with a port, as some proxies forward it', '192.0.2.1:50123', '192.0.2.1'],
  ['IPv4-mapped', '::ffff:192.0.2.1', '192.0.2.1'],
  ['IPv4-mapped in hexadecimal', '::ffff:c000:201', '192.0.2.1'],
  ['IPv4-mapped in full', '0:0:0:0:0:FFFF:192.0.2.1', '192.0.2.1'],
  ['IPv6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['the same network, another address', '2001:DB8:0001:2::1', '2001:db8:1:2::/64'],
  ['another network', '2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['zeros at the end of the network', '2001:db8::', '2001:db8:0:0::/64'],
  ['zeros across the border', '2001::1', '2001:0:0:0::/64'],
  ['loopback', '::1', '0:0:0:0::/64'],
  ['a zone', 'fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['IPv6 in brackets with a port', '[2001:db8:1:2::1]:443', '2001:db8:1:2::/64'],
  ['an IPv4 address at the end of another IPv6 one', '64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['nothing: a pipe', undefined, ''],
  ['an empty text', '', ''],
  ['no address', 'unknown', ''],
  ['another text of the peer\'s', '__proto__', '']
]

for (const [name, ip, address] of ADDRESS_ROWS) {
  t.test(`T39 one address: ${name}`, async (t) => { t.equal(addressOf(ip), address) })
}

t.test('no cap, no quota', async (t) => {
  t.equal(Quota.of({}), undefined)
  t.equal(Quota.of({ maxConnections: undefined, maxConnectionsPerIp: undefined, maxPendingHandshakes: undefined }), undefined)
  t.ok(Quota.of({ maxConnections: 1 }))
})

t.test('T39 each cap is reached and left', async (t) => {
  const rows = ['maxConnections', 'maxConnectionsPerIp', 'maxPendingHandshakes'] as const
  for (const name of rows) {
    const quota = new Quota({ [name]: 2 })
    const ip = (): string => '192.0.2.1'
    const places = [quota.take(ip), quota.take(ip)]
    t.equal(quota.findFull(ip), name)
    if (name === 'maxPendingHandshakes') places[0]?.endHandshake()
    else places[0]?.end()
    t.equal(quota.findFull(ip), undefined, `${name} has room again`)
    for (const place of places) place.end()
    t.same(quota.counts, { connections: 0, pending: 0, addresses: 0 })
  }
})

t.test('T39 what ends with the handshake, and what with the connection', async (t) => {
  const quota = new Quota({ maxConnections: 9, maxConnectionsPerIp: 9, maxPendingHandshakes: 9 })
  const place = quota.take(() => '192.0.2.1')
  t.same(quota.counts, { connections: 1, pending: 1, addresses: 1 })
  place.endHandshake()
  place.endHandshake()
  t.same(quota.counts, { connections: 1, pending: 0, addresses: 1 })
  place.end()
  place.end()
  place.endHandshake()
  t.same(quota.counts, { connections: 0, pending: 0, addresses: 0 })
})

t.test('T39 addresses are counted apart, and forgotten', async (t) => {
  const quota = new Quota({ maxConnectionsPerIp: 1 })
  const places: Place[] = []
  for (let n = 0; n < 500; n++) {
    t.equal(quota.findFull(() => `10.0.${n >> 8}.${n & 255}`), undefined)
    places.push(quota.take(() => `10.0.${n >> 8}.${n & 255}`))
  }
  t.equal(quota.findFull(() => '::ffff:10.0.0.7'), 'maxConnectionsPerIp')
  t.equal(quota.counts.addresses, 500)
  for (const place of places) place.end()
  t.equal(quota.counts.addresses, 0)
})

t.test('an address is not asked for where none is counted', async (t) => {
  const quota = new Quota({ maxConnections: 1 })
  const never = (): string => { throw new Error('asked') }
  t.equal(quota.findFull(never), undefined)
  quota.take(never)
  t.equal(quota.findFull(never), 'maxConnections')
})
