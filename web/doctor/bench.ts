import { fail, type Result, type Row } from './row.ts'

/** What follows the checks while they run. */
export interface Observer {
  /** A check begins, or waits for others. */
  began(row: Pick<Row, 'id' | 'group' | 'title'>): void
  ended(row: Row): void
}

/** Holds the rows in the order in which their checks began. */
export class Bench {
  readonly rows: Row[] = []
  readonly #observer: Observer

  constructor(observer: Observer) {
    this.#observer = observer
  }

  /** Makes a check, after others; resolves with its row when it has ended, and never rejects. */
  async check(group: string, id: string, title: string, make: () => Result | Promise<Result>, ...after: Promise<unknown>[]): Promise<Row> {
    const row: Row = { id, group, title, outcome: 'skipped', ms: 0 }
    this.rows.push(row)
    this.#observer.began(row)
    await Promise.all(after)
    const began = performance.now()
    try {
      Object.assign(row, await make())
    } catch (error) {
      Object.assign(row, fail(`the check itself broke: ${String(error)}`, 'this is a fault of the doctor: please report it'))
    }
    row.ms = Math.round((performance.now() - began) * 10) / 10
    this.#observer.ended(row)
    return row
  }
}
