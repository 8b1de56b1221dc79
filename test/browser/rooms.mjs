// Rooms for the tests of the editor: keys to write and to read, and people who are in them.
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { Editor } from './browser.mjs'

let rooms = 0

/** The fragments of fresh links: to write, and to read only. */
export function freshKeys() {
  const seed = randomBytes(32)
  const key = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' })
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  const room = `k=${randomBytes(32).toString('base64url')}`
  return { write: `#${room}&w=${seed.toString('base64url')}`, read: `#${room}&r=${x}` }
}

/** A room of a test's own: `join` opens the editor in it for somebody, and closes it after the test. */
export function freshRoom(t, browser, server) {
  const room = `room-${process.pid}-${++rooms}`
  const join = async (name, options = {}) => {
    const editor = await Editor.open(browser, server, { room, name, ...options })
    t.after(() => editor.close())
    return editor
  }
  /** Opens it for all of these and waits until they are connected. */
  const joinAll = async (names, options) => {
    const editors = await Promise.all(names.map((name) => join(name, options)))
    await Promise.all(editors.map((editor, i) => editor.connectedTo(...names.filter((_, j) => j !== i))))
    return editors
  }
  return { room, join, joinAll }
}
