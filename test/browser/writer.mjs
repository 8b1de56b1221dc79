// Somebody at the editor, in whatever browser: what they see there, and what they type.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

export class Writer {
  /** @param page what runs functions in the page, and has a keyboard */
  constructor(page) {
    this.page = page
  }

  /** Runs a function in the page, which looks at it. */
  look(run) {
    return this.page.evaluate(run)
  }

  /** The text, as far as it is on the screen. */
  text() {
    return this.look(() => {
      const copy = document.querySelector('.cm-content')?.cloneNode(true)
      if (copy === undefined) return '' // the page is about to be there
      for (const hint of copy.querySelectorAll('.cm-placeholder')) hint.remove()
      return [...copy.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\n')
    })
  }

  /** Puts the caret at the end of the text. */
  async goToEnd() {
    await this.page.evaluate(() => document.querySelector('.cm-content').focus())
    await this.page.keyboard.press('Control+End')
  }

  /** Types at the end of the text, key by key. */
  async typeAtEnd(text, delay = 10) {
    await this.goToEnd()
    await this.page.keyboard.type(text, { delay })
  }

  /** The sentence that tells how things are. */
  says() {
    return this.look(() => document.querySelector('#status-text').textContent)
  }

  /** The others in the list: name, state, path, what it says in words, and bad news. */
  people() {
    return this.look(() =>
      [...document.querySelectorAll('#people li[data-peer]')].map((item) => ({
        name: item.querySelector('.name').textContent,
        state: item.dataset.state,
        path: item.dataset.path,
        way: item.querySelector('.way').textContent,
        warning: item.querySelector('.warning').textContent,
      })),
    )
  }

  /** The names at the others' carets in the text. */
  carets() {
    return this.look(() => [...document.querySelectorAll('.cm-content .caret')].map((caret) => caret.dataset.name))
  }

  /** Waits until exactly these others are in the list, each connected. */
  async connectedTo(...names) {
    await until(async () => {
      const people = await this.people()
      const listed = people.map(({ name }) => name).sort()
      assert.deepEqual(listed, [...names].sort())
      for (const { name, state } of people) assert.equal(state, 'connected', `${name} is ${state}`)
    }, 15_000)
  }

  /** Waits until the sentence that tells how things are is this one, or matches. */
  saying(words, within = 15_000) {
    return until(async () => (words instanceof RegExp ? assert.match : assert.equal)(await this.says(), words), within)
  }

  close() {
    return this.page.close()
  }
}

/** Repeats a check until it holds; fails with its last failure once `within` milliseconds are over. Returns how many it took. */
export async function until(check, within) {
  const began = Date.now()
  for (;;) {
    try {
      await check()
      return Date.now() - began
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error
      if (Date.now() - began > within) {
        error.message = `still after ${within} ms: ${error.message}`
        throw error
      }
      await sleep(15)
    }
  }
}

/** Waits until all these editors show the same text, and that text passes the check; says what each shows if that never is so. */
export async function sameText(editors, check, within) {
  try {
    return await until(async () => {
      const [first, ...others] = await Promise.all(editors.map((editor) => editor.text()))
      for (const other of others) assert.equal(other, first)
      check(first)
    }, within)
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error
    const seen = editors.map(async (editor) => {
      const people = (await editor.people()).map(({ name, state, path }) => `${name} ${state} ${path}`)
      return `${JSON.stringify((await editor.text()).slice(-200))}, “${await editor.says()}”, with ${people.join(', ')}`
    })
    error.message += `\nThey show: ${(await Promise.all(seen)).join('; ')}`
    throw error
  }
}
