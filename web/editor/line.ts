/** A line that is read from its beginning to its end. */
export class Line {
  /** How much is read. */
  pos = 0

  constructor(readonly string: string) {}

  sol(): boolean {
    return this.pos === 0
  }

  eol(): boolean {
    return this.pos >= this.string.length
  }

  next(): string {
    return this.string.charAt(this.pos++)
  }

  /** Whether this text comes next, which is read then. */
  eat(text: string): boolean {
    const comes = this.string.startsWith(text, this.pos)
    if (comes) this.pos += text.length
    return comes
  }

  /** What comes next, if the pattern, which begins with ^, matches it; it is read then. */
  match(pattern: RegExp): RegExpExecArray | null {
    const match = this.look(pattern)
    this.pos += match?.[0].length ?? 0
    return match
  }

  /** The same, and nothing is read. */
  look(pattern: RegExp): RegExpExecArray | null {
    return pattern.exec(this.string.slice(this.pos))
  }

  skipToEnd(): void {
    this.pos = this.string.length
  }
}

/** Tells the parts of lines apart. What a line has to know of those before it is a state, changed by each part. */
export interface Tokenizer<State> {
  start(): State
  copy(state: State): State
  /** Reads a part of the line, and says of what styles it is, between spaces; null is of none. */
  token(line: Line, state: State): string | null
}
