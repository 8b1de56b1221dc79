// The results as a table in Markdown, and the figures to reach.

/** The middle of some numbers; of an even count, the mean of the two in the middle. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A number of milliseconds, for people. */
function time(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`
}

const rows = [
  {
    scenario: 'pair',
    title: () => 'second page opened → its first message at the first page',
    of: (results) => results.filter((result) => result !== null),
    cell: (results, ratio) => {
      const never = results.filter((result) => result === null).length
      return times(results, (result) => result) + ratio + (never > 0 && never < results.length ? ` (never in ${never} of ${results.length})` : '')
    },
  },
  {
    scenario: 'crowd',
    title: (size) => `${size} pages opened at once → all ${(size * (size - 1)) / 2} pairs connected`,
    of: (results) => results.filter(({ missing }) => missing === 0).map(({ took }) => took),
    cell: (results, ratio) => {
      const missing = results.filter((result) => result.missing > 0)
      const text = missing.length === results.length ? 'never' : times(results.filter((result) => result.missing === 0), ({ took }) => took) + ratio
      return missing.length === 0 ? text : `${text} (pairs missing in ${missing.length} of ${results.length})`
    },
  },
  ...['refused', 'hanging'].map((scenario) => ({
    scenario,
    title: () => `the same pair, WebSockets ${scenario}`,
    cell: (results) => {
      const good = results.filter((result) => result !== null)
      const count = `${good.length} of ${results.length}`
      return good.length === 0 ? count : `${count}, ${times(good, (result) => result)}`
    },
  })),
]

function times(results, of) {
  const numbers = results.map(of).filter((number) => number !== null)
  return numbers.length === 0 ? 'never' : time(median(numbers))
}

/** How many times the first one's median this one's is. */
function compared(first, numbers) {
  if (first.length === 0 || numbers.length === 0 || first === numbers) return ''
  return ` (× ${(median(numbers) / median(first)).toFixed(2)})`
}

/**
 * The table of medians: a row for each scenario, a column for each of the servers who took part, and how many times the
 * first one's median theirs are.
 */
export function table(results, servers) {
  const took = servers.filter((name) => rows.some(({ scenario }) => results[scenario][name] !== undefined))
  const lines = [`| | ${took.join(' | ')} |`, `|---|${took.map(() => '---|').join('')}`]
  for (const { scenario, title, of: numbers, cell } of rows) {
    const of = results[scenario]
    if (Object.keys(of).length === 0) continue
    const each = new Map(took.map((name) => [name, numbers?.(of[name] ?? []) ?? []]))
    const show = (name) => (of[name] === undefined ? '' : cell(of[name], compared(each.get(took[0]), each.get(name))))
    lines.push(`| ${title(results.size)} | ${took.map(show).join(' | ')} |`)
  }
  return lines.join('\n')
}
