import { SignalError } from './errors.ts'
import type { Clock, JoinOptions } from './options.ts'

/** How long the app may take to give its token, in milliseconds. */
const patience = 10_000

/** Asks the app for its token; one that does not come, or comes too late, is a failure that another try may heal. */
export async function askToken(token: JoinOptions['token'], clock: Clock): Promise<string | undefined> {
  if (token === undefined) return undefined
  let cancel = () => {}
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(patience, () => reject(new SignalError('token', `the app gave no token within ${patience / 1000} s`)))
  })
  try {
    return await Promise.race([token(), late])
  } catch (cause) {
    if (cause instanceof SignalError) throw cause
    throw new SignalError('token', `the app gave no token: ${cause instanceof Error ? cause.message : String(cause)}`)
  } finally {
    cancel()
  }
}
