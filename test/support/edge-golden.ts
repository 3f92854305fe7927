// Golden files of the HAProxy driver: `input / ---- / output`. The input is JSON (configuration, facts of the host, tables served
// one after another), the output every file HAProxy starts from.
import { z } from 'zod'
import type { RoutingTable } from '../../src/core/route/route.ts'
import { configPath, configurationText, mapText, pageFiles } from '../../src/drivers/edge/haproxy/config.ts'
import { checkTable, desiredState } from '../../src/drivers/edge/haproxy/desired.ts'
import { luaPath, luaText } from '../../src/drivers/edge/haproxy/lua.ts'
import { assign, emptyPool } from '../../src/drivers/edge/haproxy/pool.ts'
import { Config, MAP_NAMES, mapFile } from '../../src/drivers/edge/haproxy/schema.ts'
import { messageOf } from '../../src/lib/errors.ts'

const Input = z.object({
  config: z.record(z.string(), z.unknown()),
  host: z.object({ ipv6: z.boolean(), user: z.string().nullable() }),
  tables: z.array(z.custom<RoutingTable>((value) => typeof value === 'object' && value !== null)),
})
export type GoldenInput = z.infer<typeof Input>

export interface Golden {
  readonly inputText: string
  readonly input: GoldenInput
  readonly output: string
}

export const goldenFolder = new URL('../../src/drivers/edge/haproxy/testdata/', import.meta.url)

export function parseGolden(text: string): Golden {
  const [inputText = '', ...rest] = text.split('\n----\n')
  return { inputText, input: Input.parse(JSON.parse(inputText)), output: rest.join('\n----\n') }
}

/** Every file by its path, pages too. `directory` replaces the one of the input. */
export function filesOf(input: GoldenInput, directory?: string): Readonly<Record<string, string>> {
  const config = Config.parse(directory === undefined ? input.config : { ...input.config, directory })
  let pool = emptyPool(config.pool)
  for (const table of input.tables) {
    checkTable(table)
    pool = assign(pool, table.arms)
  }
  const last = input.tables.at(-1) ?? { generation: 0, routes: [], arms: [], environments: {} }
  const { maps } = desiredState(last, pool)
  const pages = Object.entries(pageFiles(config)).map(([name, page]) => [`${config.directory}/pages/${name}`, page] as const)
  const files = MAP_NAMES.map((name) => [mapFile(config, name), mapText(maps[name])] as const)
  return Object.fromEntries([
    [configPath(config), configurationText({ config, host: input.host, pool })],
    [luaPath(config), luaText(config)],
    ...files,
    ...pages,
  ])
}

/** What stands below the line: the configuration and the maps, or the sentence of the error. */
export function outputOf(input: GoldenInput): string {
  try {
    const shown = Object.entries(filesOf(input)).filter(([path]) => !path.includes('/pages/') && !path.endsWith('.lua'))
    return shown.map(([path, text]) => `==> ${path}\n${text}`).join('')
  } catch (error) {
    return `error: ${messageOf(error)}\n`
  }
}
