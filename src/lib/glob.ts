/**
 * Whether a path or name matches a pattern: `*` is any text without "/", `**` any text, `?` one character; everything else
 * is itself. Names that start with a dot are names like any other.
 */
export function matchesGlob(text: string, pattern: string): boolean {
  const source = pattern.replace(/\*\*\/?|\*|\?|[^*?]+/g, (part) => {
    if (part === '**/') return '(?:.*/)?'
    if (part === '**') return '.*'
    if (part === '*') return '[^/]*'
    if (part === '?') return '[^/]'
    return part.replace(/[.+^${}()|[\]\\/-]/g, '\\$&')
  })
  return new RegExp(`^${source}$`, 's').test(text)
}

/** Whether a pattern stands for more than one text. */
export function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern)
}
