/** Which end of the connection this process is. Masks, offers and checks follow from it (RFC 6455 §5.1). */
export type Role = 'server' | 'client'
