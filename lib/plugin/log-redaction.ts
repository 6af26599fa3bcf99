// Which fields of a request and its answer are not for a log: paths for pino's `redact`. Knows no logger.

/** Header fields that carry credentials: a token may stand among the subprotocols. */
const FIELDS = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'sec-websocket-protocol']

/** Where a serializer or a call of the log puts a message of HTTP. Each by name: a wildcard would cost every line, whatever is in it. */
const PLACES = ['', 'req.', 'request.', 'res.', 'reply.', 'response.', 'raw.', 'req.raw.', 'request.raw.', 'reply.raw.']

/**
 * Paths for the option `redact` of Fastify's logger, for applications whose serializers log header fields: those of Fastify do not.
 *
 * Covered are `headers` and `rawHeaders`, at the top of a line or in `req`, `request`, `res`, `reply`, `response` and their `raw`, and the
 * fields themselves at the top of a line.
 */
export const LOG_REDACTION: readonly string[] = Object.freeze([
  ...FIELDS.map(field => `["${field}"]`),
  ...PLACES.flatMap(place => [...FIELDS.map(field => `${place}headers["${field}"]`), `${place}rawHeaders`])
])
