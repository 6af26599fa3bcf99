// What a connection needs of topics: whoever carries them gives it to all connections of a route. Types alone.
import type { TopicPosition, TopicSubscription } from '../../types/topics.ts'
import type { Connection } from './connection.ts'

/** `args` are those of the methods of these names, behind the topic. */
export interface ConnectionTopics {
  subscribe (connection: Connection, topic: unknown, args: readonly unknown[]): Promise<TopicSubscription>
  unsubscribe (connection: Connection, topic: unknown, args: readonly unknown[]): Promise<boolean>
  /** To all subscribers but the connection itself. */
  publish (connection: Connection, topic: unknown, args: readonly unknown[]): Promise<TopicPosition | undefined>
  namesOf (connection: Connection): string[]
}
