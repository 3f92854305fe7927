import { z } from 'zod'
import { parseRange } from '../../../lib/ipv4.ts'

export const Config = z
  .strictObject({
    socket: z
      .string()
      .min(1)
      .max(4000)
      .optional()
      .describe('The engine: a path, or unix:// and a path. Default: DOCKER_HOST where it is set, else /var/run/docker.sock. Only an engine of this machine'),
    installation: z
      .string()
      .regex(/^[a-z0-9]{1,16}$/, 'a short id of small letters and digits')
      .describe('Stands on everything we make in the engine; what carries another one is never touched'),
    instanceRange: z
      .string()
      .regex(/^[0-9.]+\/\d{1,2}$/, 'an IPv4 range such as 10.210.0.0/16')
      .default('10.210.0.0/16')
      .describe('Networks of environments are cut from this range; doctor compares it with the routes of the host'),
    volumesDirectory: z
      .string()
      .regex(/^\/[A-Za-z0-9._/-]+$/, 'an absolute path')
      .nullable()
      .default(null)
      .describe('Where the disks of builds are, each a file of its own with a size; the server takes a folder of its data directory. null: they have no size'),
    allowNetworks: z
      .array(z.string().refine(isRange, 'an IPv4 range such as 10.1.2.0/24'))
      .max(100)
      .default([])
      .describe('Private networks that builds may reach all the same, such as that of a package mirror'),
    registryNetworks: z
      .array(z.string().refine(isRange, 'an IPv4 range such as 10.1.2.0/24'))
      .max(100)
      .default([])
      .describe(
        'Inner networks from which an image that an app names may be fetched. Registries added with "lockgate registry set" are allowed in any network',
      ),
    allowLinkLocal: z
      .boolean()
      .default(false)
      .describe('Instances may reach link-local addresses (169.254.0.0/16), among them the metadata service of a cloud, which gives credentials'),
    timeoutMs: z.int().min(100).max(600_000).default(30_000).describe('How long the engine may take to answer one call'),
  })
  .describe('Docker Engine on this machine')
export type Config = z.infer<typeof Config>

function isRange(text: string): boolean {
  try {
    parseRange(text)
    return true
  } catch {
    return false
  }
}

const Labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((labels) => labels ?? {})

export const Version = z.object({ Version: z.string(), ApiVersion: z.string(), MinAPIVersion: z.string().default('1.12') })

export const Info = z.object({
  Driver: z.string(),
  DriverStatus: z
    .array(z.array(z.string()))
    .nullish()
    .transform((status) => status ?? []),
  CgroupDriver: z.string().default('unknown'),
  CgroupVersion: z.string().default('1'),
  LiveRestoreEnabled: z.boolean().default(false),
  OperatingSystem: z.string().default(''),
  DockerRootDir: z.string().default('/var/lib/docker'),
  SecurityOptions: z
    .array(z.string())
    .nullish()
    .transform((options) => options ?? []),
})
export type Info = z.infer<typeof Info>

export const Listed = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()),
    ImageID: z.string(),
    State: z.string(),
    Status: z.string(),
    Labels,
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string().default('') })).nullish() }).optional(),
  }),
)
export type Listed = z.infer<typeof Listed>[number]

export const Inspected = z.object({
  Id: z.string(),
  Name: z.string(),
  Image: z.string(),
  RestartCount: z.number().default(0),
  State: z.object({
    Status: z.string(),
    Pid: z.number().default(0),
    ExitCode: z.number().default(0),
    OOMKilled: z.boolean().default(false),
    StartedAt: z.string().default(''),
    FinishedAt: z.string().default(''),
  }),
  Config: z.object({ Labels, StopTimeout: z.number().nullish() }),
  HostConfig: z.object({ RestartPolicy: z.object({ Name: z.string().default('') }).optional() }),
})
export type Inspected = z.infer<typeof Inspected>

export const Network = z.object({
  Id: z.string(),
  Name: z.string(),
  Labels,
  Options: z.record(z.string(), z.string()).nullish(),
  Containers: z.record(z.string(), z.object({ Name: z.string().default(''), IPv4Address: z.string().default('') })).nullish(),
  IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string().default(''), Gateway: z.string().optional() })).nullish() }).optional(),
})
export type Network = z.infer<typeof Network>

export const Image = z.object({
  Id: z.string(),
  RepoTags: z
    .array(z.string())
    .nullish()
    .transform((tags) => tags ?? []),
  RepoDigests: z
    .array(z.string())
    .nullish()
    .transform((digests) => digests ?? []),
  Size: z.number().default(0),
  Created: z.string().default(''),
  Config: z
    .object({
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
      Volumes: z.record(z.string(), z.unknown()).nullish(),
      Entrypoint: z.array(z.string()).nullish(),
      Labels,
    })
    .nullish(),
})
export type Image = z.infer<typeof Image>

/** One line of the engine's progress streams (pull, push, import). */
export const Progress = z.object({
  status: z.string().optional(),
  errorDetail: z.object({ message: z.string().default('unknown error') }).optional(),
  error: z.string().optional(),
  aux: z.object({ Digest: z.string().optional() }).optional(),
})
export type Progress = z.infer<typeof Progress>

export const EngineEvent = z.object({
  Action: z.string().default(''),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).default({}) }),
})
