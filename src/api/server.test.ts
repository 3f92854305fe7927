import { expect, test } from 'vitest'
import { endpoints } from './contract/endpoints.ts'
import { assertGuarded } from './server.ts'

test.each([{}, { permission: '' }, { permission: 'app.reed' }, { permission: 'toString' }, { permission: '__proto__' }])(
  'a route with %j stops the start',
  (route) => {
    expect(() => assertGuarded('leak', route)).toThrow('The route leak names no permission; Lockgate does not start like that.')
  },
)

test('a route for everybody that names an app stops the start', () => {
  expect(() => assertGuarded('leak', { permission: 'public', path: '/v1/apps/:app' })).toThrow(/is public and names an app/)
})

test('every route names a permission, and a public one says why', () => {
  for (const [name, endpoint] of Object.entries(endpoints)) {
    expect(() => assertGuarded(name, endpoint)).not.toThrow()
    if (endpoint.permission === 'public') expect('description' in endpoint && endpoint.description, name).toMatch(/^Public: /)
  }
  expect(Object.values(endpoints).filter((endpoint) => endpoint.permission === 'public')).toHaveLength(2)
})
