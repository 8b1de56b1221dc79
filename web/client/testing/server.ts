import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from './vectors.ts'

/** The real service, as PARLEY_SIGNAL names it or built from this repository, on a loopback port that it keeps over restarts. */
export class Server {
  readonly #folder: string
  readonly #program: string
  readonly #flags: readonly string[]
  #process: ChildProcess | null = null
  #port = 0

  private constructor(folder: string, program: string, flags: readonly string[]) {
    this.#folder = folder
    this.#program = program
    this.#flags = flags
  }

  static async build(flags: readonly string[] = []): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), 'parley-server-'))
    const built = join(folder, 'signal')
    const given = process.env.PARLEY_SIGNAL
    if (!given) execFileSync('go', ['build', '-o', built, './cmd/signal'], { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] })
    const program = given || built
    const server = new Server(folder, program, flags)
    await server.start()
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Starts it, or starts it again where it was before; it serves when this returns. */
  async start(): Promise<void> {
    const child = spawn(this.#program, ['--listen', `127.0.0.1:${this.#port}`, '--no-relay', ...this.#flags], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#process = child
    this.#port = await new Promise<number>((resolve, reject) => {
      let said = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const match = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said)
        if (match) resolve(Number(match[1]))
      })
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${said}`)))
    })
  }

  /** Sends the process a signal, and waits for its end. */
  async stop(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#process
    this.#process = null
    if (child === null || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
