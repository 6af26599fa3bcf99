// The public types. A type-only import of this file is enough to augment Fastify.
export type { RawBytes, RawPayload } from './carried.ts'
export type { AnyWebSocketConnection, ConnectionEvents, WebSocketCloseDetails, WebSocketConnection, WebSocketConnectionData, WebSocketMessageError, WebSocketSendOptions, WebSocketSlowDetails } from './connection.ts'
export type { WebSocketDiagnostics, WebSocketLimitName } from './diagnostics.ts'
export type {} from './fastify.ts'
export type { WebSocketHandler } from './handler.ts'
export type { InjectWebSocketHooks, InjectWebSocketOptions, WebSocketConnections, WebSocketHub, WebSocketServerView } from './hub.ts'
export type {
  TopicEngine, TopicEngineEvents, TopicEvents, TopicGrant, TopicHistorySlice, TopicMember, TopicMemberEvent, TopicPosition, TopicPublishOptions,
  TopicRecord, TopicSubscribeOptions, TopicSubscription
} from './topics.ts'
export type { WebSocketLatencyMetrics, WebSocketMetrics } from './metrics.ts'
export type {
  WebSocketAllowedOrigins,
  WebSocketClientInfo,
  WebSocketClientTopics,
  WebSocketCompatibleDeflate,
  WebSocketCompatibleOptions,
  WebSocketErrorHandler,
  WebSocketHeartbeat,
  WebSocketPerMessageDeflate,
  WebSocketPluginOptions,
  WebSocketProtocolChooser,
  WebSocketFastPaths,
  WebSocketRateLimit,
  WebSocketRouteOptions,
  WebSocketSlowConsumer
} from './options.ts'
export type { CarriedTypeProvider, MessageHandlers, MessageOf, MessageType, RawMessage, ReceivedOf, SentOf, WebSocketSchema } from './schema.ts'
