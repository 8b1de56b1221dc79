// Colours for Markdown and for code within it. The classes are styled in text.css.
import { StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import type { Extension } from '@codemirror/state'
import { tagHighlighter, tags } from '@lezer/highlight'
import { languageOf } from './code.ts'
import { markdown } from './markdown.ts'

const classes = tagHighlighter([
  { tag: tags.heading1, class: 'md-heading md-h1' },
  { tag: tags.heading2, class: 'md-heading md-h2' },
  { tag: tags.heading3, class: 'md-heading md-h3' },
  { tag: tags.heading, class: 'md-heading' },
  { tag: tags.strong, class: 'md-strong' },
  { tag: tags.emphasis, class: 'md-emphasis' },
  { tag: tags.strikethrough, class: 'md-strike' },
  { tag: tags.quote, class: 'md-quote' },
  { tag: [tags.link, tags.url], class: 'md-link' },
  { tag: tags.monospace, class: 'md-code' },
  { tag: [tags.processingInstruction, tags.contentSeparator, tags.list, tags.angleBracket, tags.escape], class: 'md-mark' },
  { tag: tags.meta, class: 'code-meta' },
  { tag: tags.keyword, class: 'code-keyword' },
  { tag: tags.string, class: 'code-string' },
  { tag: [tags.number, tags.atom], class: 'code-atom' },
  { tag: tags.comment, class: 'code-comment' },
  { tag: tags.propertyName, class: 'code-name' },
  { tag: [tags.variableName, tags.operator], class: 'code-plain' },
])

/** Highlights Markdown. */
export const highlighting: Extension = [StreamLanguage.define(markdown(languageOf)), syntaxHighlighting(classes)]
