import { expect, onTestFinished, test } from 'vitest'
import { aTable } from '../../../../test/support/edge.ts'
import { type EdgeUnderTest, edgeContract } from '../contract.ts'
import { edgeTrafficContract } from '../contract-traffic.ts'
import { fakeEdge } from './index.ts'
import { FakePlane } from './plane.ts'

async function aPlane(): Promise<FakePlane> {
  const plane = await FakePlane.open(0)
  onTestFinished(() => plane.close())
  return plane
}

async function open(): Promise<EdgeUnderTest> {
  const plane = await aPlane()
  return { edge: fakeEdge(plane), port: plane.port, reopen: async () => fakeEdge(plane) }
}

edgeContract(open)
edgeTrafficContract(open)

test('an edge that is told to fail fails so often, and then serves', async () => {
  const edge = fakeEdge(await aPlane(), { failNext: 1 })

  await expect(edge.serve(aTable(1, []))).rejects.toMatchObject({ code: 'edge.unreachable', retryable: true })
  expect(await edge.serve(aTable(1, []))).toEqual(1)
})

test('an app that speaks h2c is refused', async () => {
  const edge = fakeEdge(await aPlane())
  const table = aTable(1, [{ hosts: ['rpc.test'], protocol: 'h2c', targets: [{ instance: 'i-1', address: '127.0.0.1', port: 1, ready: true }] }])

  await expect(edge.serve(table)).rejects.toMatchObject({ code: 'edge.refused' })
})
