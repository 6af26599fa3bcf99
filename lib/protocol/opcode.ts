// Frame opcodes. Owns the numbers and nothing else.

/** Frame opcodes (RFC 6455 §5.2). 0x3 to 0x7 and 0xB to 0xF are reserved and have no name here. */
export const Opcode = {
  Continuation: 0x0,
  Text: 0x1,
  Binary: 0x2,
  Close: 0x8,
  Ping: 0x9,
  Pong: 0xa
} as const

export type Opcode = (typeof Opcode)[keyof typeof Opcode]

/** Tells a control frame by the opcode's top bit (§5.5), reserved opcodes included. */
export function isControl (opcode: number): boolean {
  return (opcode & 0x8) !== 0
}
