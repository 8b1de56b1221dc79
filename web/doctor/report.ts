// The report to give away: what was found, without secrets and with addresses shortened.
import { duration, type Outcome, type Row, type Verdict } from './row.ts'

export interface Report {
  readonly tool: string
  /** The browser, by its own word. */
  readonly version: string
  readonly server: string
  readonly at: string
  readonly ms: number
  readonly verdict: Verdict
  readonly rows: readonly Row[]
  readonly note: string
}

export const redaction =
  'No secrets, credentials or room names are in this report. IP addresses are shortened to their first half (203.0.x.x, 2001:db8:x); names of servers and ports are as they are.'

export const outcomeWords: Readonly<Record<Outcome, string>> = { pass: 'ok', warn: 'warn', fail: 'FAIL', skipped: 'skip' }

/** A text in which IP addresses have their first half alone, and none of the secrets is. */
export function redacted(text: string, secrets: readonly string[] = []): string {
  for (const secret of secrets) if (secret !== '') text = text.replaceAll(secret, '…')
  return text.replace(/\b(\d{1,3}\.\d{1,3})\.\d{1,3}\.\d{1,3}\b/g, '$1.x.x').replace(/[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:%\w+)?/gi, (found) => {
    const parts = found.split(':')
    if (!found.includes('::') && parts.length !== 8) return found // a time of the day
    return parts[0] === '' || parts[1] === '' ? `${parts[0]}::x` : `${parts[0]}:${parts[1]}:x`
  })
}

/** The report as it can be given away. */
export function reportOf(server: URL, began: Date, ms: number, verdict: Verdict, rows: readonly Row[], secrets: readonly string[]): Report {
  const hide = (text: string): string => redacted(text, secrets)
  return {
    tool: 'doctor page',
    version: navigator.userAgent,
    server: hide(server.href),
    at: began.toISOString().replace(/\.\d+/, ''),
    ms: Math.round(ms),
    verdict: { ...verdict, text: hide(verdict.text) },
    rows: rows.map((row) => ({
      ...row,
      id: hide(row.id),
      title: hide(row.title),
      ...(row.found !== undefined && { found: hide(row.found) }),
      ...(row.cause !== undefined && { cause: hide(row.cause) }),
      ...(row.cure !== undefined && { cure: hide(row.cure) }),
    })),
    note: redaction,
  }
}

/** The report as a text to paste into an issue. */
export function markdownOf({ tool, version, server, at, ms, verdict, rows, note }: Report): string {
  const lines = ['## Connection report', '', `**${cell(verdict.text)}**`, '', `${cell(server)}, ${at} by ${tool} (${cell(version)}), in ${duration(ms)}.`]
  let group = ''
  for (const row of rows) {
    if (row.group !== group) {
      group = row.group
      lines.push('', `### ${group}`, '', '| | check | ms | found |', '|---|---|---|---|')
    }
    const found = [row.found, row.cause && `*cause:* ${row.cause}`, row.cure && `*cure:* ${row.cure}`].filter(Boolean).join('<br>')
    lines.push(`| ${outcomeWords[row.outcome]} | ${cell(row.title)} | ${row.ms.toFixed(1)} | ${cell(found)} |`)
  }
  return [...lines, '', note, ''].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/[\r\n]+/g, ' ')
}
