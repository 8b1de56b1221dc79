import { join } from 'node:path'

/** The repository, as the runner of the tests says. */
export const repository = process.env.PARLEY_ROOT ?? join(process.cwd(), '..')

/** What the protocol's text and both implementations are tested by. */
export const vectors = join(repository, 'docs/protocol/vectors')
