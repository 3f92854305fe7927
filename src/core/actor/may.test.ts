import { expect, test } from 'vitest'
import { type EnvironmentName, PRODUCTION } from '../app/app.ts'
import { type Actor, ROLES, type Role } from './actor.ts'
import { may, mustBeAllowed, PERMISSIONS, type Permission } from './may.ts'

const ALL = Object.keys(PERMISSIONS) as Permission[]
const STAGING = { name: 'staging' as EnvironmentName }

function holder(role: Role): Actor {
  return { kind: 'token', id: 'k-1', name: 'somebody', role, projectId: null }
}

/** What each role has that the one before has not: outside of production, and there. */
const NEW: Readonly<Record<Role, { readonly anywhere: readonly Permission[]; readonly inProduction: readonly Permission[] }>> = {
  viewer: {
    anywhere: ['app.read', 'log.read', 'event.read', 'installation.inspect'],
    inProduction: ['app.read', 'log.read', 'event.read', 'installation.inspect'],
  },
  developer: { anywhere: ['config.read', 'app.create', 'source.push', 'environment.operate', 'config.write'], inProduction: ['config.read', 'app.create'] },
  releaser: {
    anywhere: ['domain.write', 'source.manage'],
    inProduction: ['domain.write', 'source.manage', 'environment.operate', 'config.write', 'source.push'],
  },
  admin: {
    anywhere: ['app.remove', 'domain.claim_any', 'token.manage', 'project.manage', 'environment.protect', 'registry.manage', 'installation.clean'],
    inProduction: ['app.remove', 'domain.claim_any', 'token.manage', 'project.manage', 'environment.protect', 'registry.manage', 'installation.clean'],
  },
}

test.each(ROLES)('%s may what the roles before may, and what is new for it', (role) => {
  const upTo = ROLES.slice(0, ROLES.indexOf(role) + 1)
  const allowed = (where: 'anywhere' | 'inProduction'): Permission[] => upTo.flatMap((one) => NEW[one][where]).toSorted()

  expect(ALL.filter((permission) => may(holder(role), permission, STAGING)).toSorted()).toEqual(allowed('anywhere'))
  expect(ALL.filter((permission) => may(holder(role), permission, { name: PRODUCTION })).toSorted()).toEqual(allowed('inProduction'))
})

test('production never asks for less than another environment', () => {
  for (const role of ROLES)
    for (const permission of ALL)
      if (may(holder(role), permission, { name: PRODUCTION })) expect(may(holder(role), permission), `${role} ${permission}`).toBe(true)
})

test('a refusal says who may not do what, where, and what helps', () => {
  expect(() => mustBeAllowed(holder('developer'), 'environment.operate', { name: PRODUCTION })).toThrow(
    expect.objectContaining({
      code: 'actor.may_not',
      message: expect.stringMatching(/^somebody \(developer\) may not deploy, .* in production\. An admin can/),
    }),
  )
})

test('a token of one project may not do what concerns all of them', () => {
  const admin: Actor = { ...holder('admin'), projectId: 'p-1' }

  expect(may(admin, 'project.manage')).toBe(false)
  expect(may(admin, 'token.manage')).toBe(true)
  expect(() => mustBeAllowed(admin, 'project.manage')).toThrow(
    expect.objectContaining({ code: 'actor.may_not', message: expect.stringContaining('one project') }),
  )
})

test('another environment that is protected wants the role that production wants', () => {
  const staging = { name: 'staging' as EnvironmentName, trust: 'protected' } as const

  expect(may(holder('developer'), 'environment.operate', staging)).toBe(false)
  expect(may(holder('developer'), 'environment.operate', { ...staging, trust: 'ordinary' })).toBe(true)
  expect(may(holder('releaser'), 'source.push', staging)).toBe(true)
})
