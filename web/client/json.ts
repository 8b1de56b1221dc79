/**
 * Anything that JSON can say.
 *
 * @example
 * const meta: Json = { colour: 'teal', tags: ['new'] }
 */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
