// Programs with many routes, to measure what the compiler has to do for them.

export interface ExampleOptions {
  readonly count: number
  /** `plain` and `rest` are HTTP routes, without and with schemas; the others are WebSocket routes that use their connection so. */
  readonly kind: 'plain' | 'rest' | 'message' | 'message:type' | 'handle'
  /** This package's folder; undefined: the program does not know of it. */
  readonly types: string | undefined
}

const MEMBERS = [0, 1, 2, 3, 4, 5, 6, 7]

/** Writes a program with `count` routes, each with its own params, query and unions of eight for both directions. */
export function exampleRoutes ({ count, kind, types }: ExampleOptions): string {
  const routes = Array.from({ length: count }, (_, index) => kind === 'plain' ? plainRoute(index) : schemas(index) + route(index, kind))
  return `
    import Fastify from 'fastify'
    import { Type } from '@sinclair/typebox'
    import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
    ${types === undefined ? '' : `import type {} from '${types}/types/index.ts'`}
    const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
    export type Used = typeof Type
    ${routes.join('\n')}
  `
}

function schemas (index: number): string {
  const union = (name: string): string => `Type.Union([${MEMBERS.map(member => `Type.Object({
    type: Type.Literal('${name}${index}x${member}'), id: Type.Integer(), text: Type.String(), tags: Type.Array(Type.String()),
    extra: Type.Optional(Type.Object({ a: Type.Number(), b: Type.Boolean() }))
  })`).join(', ')}])`
  return `
    const In${index} = ${union('in')}
    const Out${index} = ${union('out')}
    const Params${index} = Type.Object({ room: Type.String() })
    const Query${index} = Type.Object({ nick: Type.String() })
  `
}

function plainRoute (index: number): string {
  return `app.get('/r${index}', async (request, reply) => { reply.header('x', '1'); return { url: request.url } })`
}

function route (index: number, kind: Exclude<ExampleOptions['kind'], 'plain'>): string {
  const use = `
    const room: string = request.params.room
    const nick: string = request.query.nick
  `
  const answer = `send({ type: 'out${index}x3', id, text: room + nick, tags: [] })`
  if (kind === 'rest') {
    return `
      app.post('/r${index}/:room', {
        schema: { params: Params${index}, querystring: Query${index}, body: In${index}, response: { 200: Out${index} } }
      }, async (request, reply) => {
        ${use}
        const id: number = request.body.id
        return reply.${answer}
      })
    `
  }
  const listen = {
    message: `connection.on('message', (message) => { const id: number = message.id; connection.${answer} })`,
    'message:type': `connection.on('message:in${index}x3', (message) => { const id: number = message.id; connection.${answer} })`,
    handle: `connection.handle({ ${MEMBERS.map(member => `in${index}x${member} (message) { const id: number = message.id; connection.${answer} }`).join(', ')} })`
  }[kind]
  return `
    app.get('/r${index}/:room', {
      websocket: true,
      schema: { params: Params${index}, querystring: Query${index}, websocket: { receive: In${index}, send: Out${index} } }
    }, (connection, request) => {
      ${use}
      ${listen}
    })
  `
}
