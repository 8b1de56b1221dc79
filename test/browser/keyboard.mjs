// A keyboard for browsers that are driven by WebDriver, in the words of Playwright's.

/** WebDriver's characters for the keys that have none. */
const keys = { Backspace: '\ue003', Enter: '\ue007', Control: '\ue009', End: '\ue010' }

/** @param perform takes WebDriver's input sources with their actions */
export function keyboard(perform) {
  const play = (actions) => perform([{ type: 'key', id: 'keyboard', actions }])
  const down = (value) => ({ type: 'keyDown', value })
  const up = (value) => ({ type: 'keyUp', value })
  return {
    /** Presses such as Control+End. */
    press(combination) {
      const values = combination.split('+').map((name) => keys[name] ?? name)
      return play([...values.map(down), ...[...values].reverse().map(up)])
    },
    type(text, { delay = 0 } = {}) {
      return play([...text].flatMap((value) => [down(value), up(value), { type: 'pause', duration: delay }]))
    },
  }
}
