import t from 'tap'
import { CloseCode, isWireCloseCode, MAX_REASON_LENGTH } from '../../lib/protocol/close-code.ts'

/** [first, last, may stand in a Close frame], without a gap from 0 to 65535. */
const ranges = [
  { name: '§7.4.2 0 to 999 are not used', first: 0, last: 999, want: false },
  { name: '§7.4.1 1000 to 1003', first: 1000, last: 1003, want: true },
  { name: '§7.4.1 1004 is reserved, 1005 and 1006 never stand in a frame', first: 1004, last: 1006, want: false },
  { name: '§7.4.1 1007 to 1011, and 1012 to 1014 of the IANA registry', first: 1007, last: 1014, want: true },
  { name: '§7.4.1 1015 never stands in a frame, and §7.4.2 1016 to 2999 have no meaning yet', first: 1015, last: 2999, want: false },
  { name: '§7.4.2 3000 to 4999 belong to libraries and applications', first: 3000, last: 4999, want: true },
  { name: '§7.4 beyond there is nothing', first: 5000, last: 65_535, want: false }
]

t.test('the rows leave no code out', async t => {
  t.strictSame(ranges.map(({ first }) => first), [0, ...ranges.slice(0, -1).map(({ last }) => last + 1)])
  t.equal(ranges.at(-1)?.last, 0xffff)
})

for (const { name, first, last, want } of ranges) {
  t.test(name, async t => {
    const codes = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    t.strictSame(codes.filter(code => isWireCloseCode(code) !== want), [])
  })
}

t.test('§7.4.1 the names', async t => {
  t.strictSame(CloseCode, {
    Normal: 1000,
    GoingAway: 1001,
    ProtocolError: 1002,
    UnsupportedData: 1003,
    NoStatus: 1005,
    Abnormal: 1006,
    InvalidPayload: 1007,
    PolicyViolation: 1008,
    MessageTooBig: 1009,
    MandatoryExtension: 1010,
    InternalError: 1011,
    ServiceRestart: 1012,
    TryAgainLater: 1013,
    BadGateway: 1014
  })
})

t.equal(MAX_REASON_LENGTH, 123, '§5.5 what a control frame leaves for the reason')
