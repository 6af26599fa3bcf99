// Positions in a topic's history, compared.
import type { TopicPosition } from '../../types/topics.ts'

/** True for what is part of what `last` stands behind; positions of different epochs cannot be compared. */
export function isUpTo (last: TopicPosition | undefined, position: TopicPosition | undefined): boolean {
  return last !== undefined && position?.epoch === last.epoch && position.offset <= last.offset
}

/** True for the message right behind: the next offset, or the first one of a history that has begun anew. */
export function follows (last: TopicPosition, next: TopicPosition): boolean {
  return next.epoch === last.epoch ? next.offset === last.offset + 1 : next.offset === 1
}
