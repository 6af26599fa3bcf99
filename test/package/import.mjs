// The package by import, every entry of it.
import websocket, { ProtocolError, websocket as named } from 'fastify-typed-websocket'
import * as contract from 'fastify-typed-websocket/contract'
import * as protocol from 'fastify-typed-websocket/protocol'
import { smoke } from './smoke.mjs'

if (named !== websocket) throw new Error('the named export is another plugin')
console.log(JSON.stringify({
  names: [typeof websocket, typeof ProtocolError, typeof contract.defineWebSocket, Object.keys(protocol).length > 0],
  direct: await smoke(websocket, contract),
  promise: await smoke(import('fastify-typed-websocket'), contract)
}))
