import type { ReadStore } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'

/** Whether an artifact of any app is this image: several may be the same. */
export async function isRecorded(read: Pick<ReadStore, 'artifacts'>, digest: string): Promise<boolean> {
  return (await read.artifacts.list(EVERYTHING, { where: { digest, removedAt: null }, limit: 1 })).length > 0
}
