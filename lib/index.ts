// What `import ... from 'fastify-typed-websocket'` gives. No logic.
export { default, default as websocket } from './plugin/plugin.ts'
export { defineWebSocket } from './contract.ts'
export type { WebSocketContract, WebSocketContractRoute } from './contract.ts'
export * from './plugin/errors.ts'
export { HANDSHAKE_ERRORS, HandshakeError } from './protocol/handshake-errors.ts'
export { PROTOCOL_ERRORS, ProtocolError, USAGE_ERRORS, UsageError } from './protocol/errors.ts'
export type * from '../types/index.ts'
