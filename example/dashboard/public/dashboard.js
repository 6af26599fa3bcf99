// The page of the dashboard: draws what has changed since the last frame, and the numbers twice a second.
import { watch } from '/example/dashboard/client.js'

/** Milliseconds. */
const NUMBERS_EVERY = 500

const viewer = watch()
const show = (id, words) => { document.getElementById(id).textContent = words }

/** The element of each price, and what it shows. */
const tiles = new Map()

function draw () {
  for (const { symbol, cents } of viewer.changed.values()) {
    const tile = tiles.get(symbol) ?? addTile(symbol)
    tile.value.textContent = (cents / 100).toFixed(2)
    tile.value.dataset.trend = cents < tile.cents ? 'down' : 'up'
    tile.cents = cents
  }
  viewer.changed.clear()
  requestAnimationFrame(draw)
}

function addTile (symbol) {
  const item = document.createElement('li')
  const value = document.createElement('span')
  item.append(`${symbol} `, value)
  document.getElementById('prices').append(item)
  const tile = { value, cents: 0 }
  tiles.set(symbol, tile)
  return tile
}

let before = performance.now()
let updatesBefore = 0

function showNumbers () {
  const now = performance.now()
  show('updates', Math.round((viewer.updates - updatesBefore) * 1000 / (now - before)))
  before = now
  updatesBefore = viewer.updates
  show('delay', `${viewer.delay} ms`)
  for (const [name, value] of Object.entries(viewer.gauges ?? {})) show(name, value.toLocaleString('en'))
  const status = document.getElementById('status')
  status.dataset.state = viewer.isConnected ? 'on' : 'wait'
  const words = viewer.isConnected ? 'Connected' : 'Connecting…'
  // A status that says the same again would be read out again.
  if (status.textContent !== words) status.textContent = words
}

for (const [id, method] of [['add', 'POST'], ['remove', 'DELETE']]) {
  document.getElementById(id).addEventListener('click', () => fetch('/stalled', { method }))
}

draw()
setInterval(showNumbers, NUMBERS_EVERY)
