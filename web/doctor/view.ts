// The rows and the verdict on the screen.
import { byId, element, setText } from '../editor/element.ts'
import type { Observer } from './bench.ts'
import { duration, type Outcome, type Row, type Verdict } from './row.ts'
import { sign } from './signs.ts'

const spoken: Readonly<Record<Outcome, string>> = { pass: 'Passed: ', warn: 'Warning: ', fail: 'Failed: ', skipped: 'Skipped: ' }

/** Shows one run. */
export class View implements Observer {
  readonly #groups = byId('groups', HTMLElement)
  readonly #card = byId('verdict', HTMLElement)
  readonly #progress = byId('progress', HTMLProgressElement)
  readonly #lists = new Map<string, HTMLElement>()
  readonly #items = new Map<string, HTMLElement>()
  readonly #ended: Row[] = []

  constructor() {
    this.#groups.replaceChildren()
    this.#card.hidden = false
    this.#card.dataset['outcome'] = 'running'
    byId('verdict-mark', HTMLElement).replaceChildren(sign('running'))
    setText(byId('verdict-text', HTMLElement), 'Examining…')
    byId('give', HTMLElement).hidden = true
    byId('note', HTMLElement).hidden = true
    byId('by-hand', HTMLElement).hidden = true
    this.#progress.hidden = false
    this.#count()
  }

  began({ id, group, title }: Pick<Row, 'id' | 'group' | 'title'>): void {
    const item = element('li', { class: 'row', 'data-id': id, 'data-outcome': 'waiting' })
    const mark = element('span', { class: 'row-mark' }, sign('running'))
    item.append(mark, element('span', { class: 'row-title' }, element('span', { class: 'unseen' }, 'Under way: '), ...named(title)))
    this.#items.set(id, item)
    this.#list(group).append(item)
    this.#count()
  }

  ended(row: Row): void {
    this.#ended.push(row)
    const item = this.#items.get(row.id)
    if (item === undefined) return
    item.dataset['outcome'] = row.outcome
    item.replaceChildren(
      element('span', { class: 'row-mark' }, sign(row.outcome)),
      element('span', { class: 'row-title' }, element('span', { class: 'unseen' }, spoken[row.outcome]), ...named(row.title)),
      element('span', { class: 'row-found' }, row.found ?? ''),
      element('span', { class: 'row-time' }, row.outcome === 'skipped' ? '' : duration(row.ms)),
    )
    if (row.cause !== undefined || row.cure !== undefined) item.append(whyOf(row))
    if (row.found === undefined) item.querySelector('.row-found')!.remove()
    this.#count()
  }

  finished({ outcome, text }: Verdict, took: number): void {
    this.#card.dataset['outcome'] = outcome
    byId('verdict-mark', HTMLElement).replaceChildren(sign(outcome))
    setText(byId('verdict-text', HTMLElement), text)
    const count = (wanted: Outcome): number => this.#ended.filter(({ outcome }) => outcome === wanted).length
    const parts = [`${count('pass')} passed`, `${count('warn')} with a warning`, `${count('fail')} failed`, `${count('skipped')} skipped`].filter((part) => !part.startsWith('0 '))
    setText(byId('tally', HTMLElement), `${parts.join(', ')}. Took ${duration(took)}.`)
    this.#progress.hidden = true
    byId('give', HTMLElement).hidden = false
    byId('note', HTMLElement).hidden = false
  }

  #list(group: string): HTMLElement {
    const known = this.#lists.get(group)
    if (known !== undefined) return known
    const id = `group-${this.#lists.size}`
    const list = element('ol', { class: 'rows', 'aria-labelledby': id })
    this.#groups.append(element('section', { class: 'group' }, element('h2', { id }, group), list))
    this.#lists.set(group, list)
    return list
  }

  #count(): void {
    const [done, all] = [this.#ended.length, this.#items.size]
    this.#progress.value = all === 0 ? 0 : done / all
    setText(byId('tally', HTMLElement), all === 0 ? '' : `${done} of ${all} checks done`)
  }
}

/** What a title names, and below it where that is, if it says so. */
function named(title: string): (Node | string)[] {
  const [name = '', at] = title.split(', ', 2)
  const isAddress = at !== undefined && /:\d+$/.test(at)
  return isAddress ? [name, element('span', { class: 'unseen' }, ', '), element('span', { class: 'row-at' }, at)] : [title]
}

function whyOf({ cause, cure }: Row): HTMLElement {
  const list = element('dl', { class: 'row-why' })
  if (cause !== undefined) list.append(element('dt', {}, 'Cause'), element('dd', { class: 'cause' }, cause))
  if (cure !== undefined) list.append(element('dt', {}, 'Cure'), element('dd', {}, cure))
  return list
}
