import type { InstanceSpec } from '../types.ts'

export const LABEL = {
  installation: 'lockgate.installation',
  project: 'lockgate.project',
  environment: 'lockgate.environment',
  kind: 'lockgate.kind',
  set: 'lockgate.set',
  ordinal: 'lockgate.ordinal',
  key: 'lockgate.key',
  address: 'lockgate.address',
  owner: 'lockgate.owner',
  user: 'lockgate.user',
  image: 'lockgate.image',
} as const

export type Labels = Readonly<Record<string, string>>

/** What a container of ours carries: by these it is found again, and by nothing else. */
export function instanceLabels(installation: string, spec: InstanceSpec): Labels {
  return {
    [LABEL.installation]: installation,
    [LABEL.project]: spec.projectId,
    [LABEL.environment]: spec.environmentId,
    [LABEL.kind]: spec.kind,
    [LABEL.set]: String(spec.set),
    [LABEL.ordinal]: String(spec.ordinal),
    [LABEL.key]: spec.key,
    // Images carry labels too: what is not ours to say is said empty, so that a hostile image cannot say it.
    [LABEL.owner]: '',
    [LABEL.address]: spec.address ?? '',
  }
}

/** A filter of the engine's lists: only what carries our installation, and these labels. */
export function labelFilter(installation: string, labels: Labels = {}): { readonly filters: string } {
  const all = { [LABEL.installation]: installation, ...labels }
  return { filters: JSON.stringify({ label: Object.entries(all).map(([name, value]) => `${name}=${value}`) }) }
}
