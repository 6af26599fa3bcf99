// What `import ... from 'fastify-typed-websocket'` gives. No logic.
export { default, default as websocket } from './plugin/plugin.ts'
export { checkTopicName, defineTopic, defineWebSocket, TopicError, topicName } from './contract.ts'
export type {
  ClientGets, ClientSends, Topic, TopicArguments, TopicHistory, TopicMessage, TopicParams, WebSocketContract, WebSocketContractRoute
} from './contract.ts'
export { LIMIT_ERRORS, LimitError } from './connection/limit-error.ts'
export { bearerToken } from './plugin/bearer.ts'
export * from './plugin/errors.ts'
export { UnexpectedResponseError } from './plugin/inject.ts'
export type { InjectedResponse } from './plugin/inject.ts'
export { LOG_REDACTION } from './plugin/log-redaction.ts'
export { registerPrometheus } from './plugin/prometheus.ts'
export type { PrometheusClient, PrometheusOptions, PrometheusRegistry } from './plugin/prometheus.ts'
export { HANDSHAKE_ERRORS, HandshakeError } from './protocol/handshake-errors.ts'
export { PROTOCOL_ERRORS, ProtocolError, USAGE_ERRORS, UsageError } from './protocol/errors.ts'
export type * from '../types/index.ts'
