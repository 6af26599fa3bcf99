// Wire bytes written as hex, with spaces between the fields.

/**
 * Reads hex digits into bytes; white space is for the reader and ignored.
 *
 * @throws {TypeError} for anything that is not a whole number of hex bytes: a typing error must not shorten a test's input
 */
export function hex (wire: string): Buffer {
  const digits = wire.replaceAll(/\s/g, '')
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) throw new TypeError(`not hex bytes: '${wire}'`)
  return Buffer.from(digits, 'hex')
}
