// The package by require, every entry of it.
const websocket = require('fastify-typed-websocket')
const contract = require('fastify-typed-websocket/contract')
const protocol = require('fastify-typed-websocket/protocol')
const { version } = require('fastify-typed-websocket/package.json')

const main = async () => {
  const { smoke } = await import('./smoke.mjs')
  console.log(JSON.stringify({
    names: [typeof websocket.default, typeof websocket.ProtocolError, typeof contract.defineWebSocket, Object.keys(protocol).length > 0],
    version,
    direct: await smoke(websocket.websocket, contract),
    // Fastify takes the default export of what it is given.
    namespace: await smoke(websocket, contract)
  }))
}
main()
