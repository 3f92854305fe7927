import { z } from 'zod'

interface Node {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Node>>
  readonly anyOf?: readonly Node[]
  readonly items?: Node
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
}

/** The JSON Schema of what a person writes. */
export function jsonSchemaOf(schema: z.ZodType): Node {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node
}

/** A Markdown table of every key in a schema, nested ones with dots. */
export function schemaTable(schema: z.ZodType): string {
  return table(['key', 'value', 'default', 'meaning'], rows(jsonSchemaOf(schema), ''))
}

/** A Markdown table; bars in cells are escaped. */
export function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...body.map(line)].join('\n')
}

/** A value as code; an empty one as nothing. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``
}

function rows(node: Node, prefix: string): string[][] {
  return Object.entries(node.properties ?? {}).flatMap(([name, property]) => {
    const key = `${prefix}${name}`
    const own = [code(key), code(wordOf(property)), property.properties ? '' : defaultOf(property), property.description ?? '']
    return [own, ...rows(property, `${key}.`)]
  })
}

function defaultOf(node: Node): string {
  return node.default === undefined ? '' : code(JSON.stringify(node.default))
}

function wordOf(node: Node): string {
  if (node.const !== undefined) return JSON.stringify(node.const)
  if (node.enum) return node.enum.map(String).join(' | ')
  if (node.anyOf) return [...new Set(node.anyOf.map(wordOf))].join(' | ')
  if (node.type === 'array') return `list of ${node.items ? wordOf(node.items) : 'any'}`
  if (node.type === 'string' && node.pattern !== undefined && node.pattern.length <= 40) return `text like ${node.pattern}`
  const bounds = typeof node.minimum === 'number' && typeof node.maximum === 'number' && node.maximum < 1e9 ? ` ${node.minimum} to ${node.maximum}` : ''
  const type = typeof node.type === 'string' ? node.type : (node.type?.join(' | ') ?? 'any')
  return `${type === 'string' ? 'text' : type}${bounds}`
}
