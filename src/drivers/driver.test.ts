import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Driver, openDriver } from './driver.ts'

const Config = z.strictObject({ folder: z.string(), size: z.int().default(1) })
const third: Driver<unknown, typeof Config, string> = {
  name: 'third',
  Config,
  given: ({ dataDirectory }) => ({ folder: `${dataDirectory}/third` }),
  create: async (config, needs) => ({ ...config, needs }),
}
const open = (driver: string, config: Readonly<Record<string, unknown>> = {}) =>
  openDriver(
    { third },
    { part: 'runtime', driver, config },
    { server: { installation: 'abc', instanceRange: '10.210.0.0/16', dataDirectory: '/data' }, needs: 'needed' },
  )

test('a driver gets what follows from the server, where the settings say nothing else, and what it needs', async () => {
  expect(await open('third')).toEqual({ folder: '/data/third', size: 1, needs: 'needed' })
  expect(await open('third', { folder: '/elsewhere', size: 2 })).toEqual({ folder: '/elsewhere', size: 2, needs: 'needed' })
})

test.each(['fourth', 'toString', '__proto__', ''])('the name %j is that of no driver, and no other one is opened', async (name) => {
  await expect(open(name)).rejects.toMatchObject({ code: 'settings.invalid', message: expect.stringContaining('there are third.') })
})
