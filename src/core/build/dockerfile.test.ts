import { describe, expect, test } from 'vitest'
import { fullReference, imagesFor, readDockerfile } from './dockerfile.ts'

function images(text: string, args: Record<string, string> = {}, target: string | null = null): string[] {
  return imagesFor(readDockerfile(text, args), target)
}

describe('the images of a Dockerfile', () => {
  test.each<[string, string, string[]]>([
    ['one', 'FROM node:24\nRUN npm ci\n', ['node:24']],
    ['with a platform and a name', 'from --platform=$BUILDPLATFORM node:24 as Build', ['node:24']],
    ['none', 'FROM scratch\nCOPY a /a\n', []],
    ['of stages that are used', 'FROM a AS x\nFROM b AS unused\nFROM c\nCOPY --from=x /a /a\n', ['a', 'c']],
    ['by number, and the same name in another case', 'FROM a AS One\nFROM b\nFROM c\nCOPY --from=1 --chown=1 /x /x\nCOPY --from=ONE /y /y', ['a', 'b', 'c']],
    ['that COPY and RUN take from', 'FROM a\nCOPY --from=tool:1 /x /x\nRUN --mount=type=bind,from=other:2,target=/m ls /m', ['a', 'tool:1', 'other:2']],
    ['a stage on a stage', 'FROM a AS base\nFROM base AS deps\nFROM deps', ['a']],
    ['of an ARG', `ARG TAG=24\nARG IMAGE="node:\${TAG}"\nFROM \${IMAGE}-slim`, ['node:24-slim']],
    ['of an ARG without a value and another word', `ARG V\nFROM node:\${V:-22}\n`, ['node:22']],
    ['of an ARG in COPY', 'ARG T=tool\nFROM a\nARG T\nCOPY --from=$T:1 /x /x', ['a', 'tool:1']],
    ['over several lines with comments between', 'FROM \\\n# a comment\n\n  node:24 \\\n AS x\n', ['node:24']],
    ['with another escape', '# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nCOPY c:\\ `\n /b\nFROM b\n', ['b']],
    ['but not of a here-document', 'FROM a\nRUN <<EOF\nFROM b\nEOF\nCOPY <<-"X Y" /f\nCOPY <<\'END\' /f\nFROM c\n\tEND\n', ['a']],
    ['a name used for a stage and an image', 'FROM golang AS golang\nFROM scratch\nCOPY --from=golang /x /x', ['golang']],
  ])('%s', (_name, text, expected) => {
    expect(images(text)).toEqual(expected)
  })

  test('given values win over defaults', () => {
    expect(images('ARG TAG=24\nFROM node:$TAG', { TAG: '22' })).toEqual(['node:22'])
  })

  test('only those of the wanted stage are needed', () => {
    const text = 'FROM a AS dev\nFROM b AS prod\n'

    expect(images(text, {}, 'dev')).toEqual(['a'])
    expect(() => images(text, {}, 'test')).toThrow('has no stage test; it has dev, prod')
  })

  test('a FROM without an image names its line, and the ARG that has no value', () => {
    expect(() => images(`ARG TAG\n\nFROM \${IMAGE}`)).toThrow(`Line 3 of the Dockerfile names no image: "FROM \${IMAGE}"; IMAGE has no value`)
    expect(() => images('RUN x')).toThrow('has no FROM')
    expect(() => images('FROM a b')).toThrow('Line 1')
  })
})

test.each([
  ['node', 'docker.io/library/node:latest'],
  ['bitnami/node:24', 'docker.io/bitnami/node:24'],
  ['127.0.0.1:5000/x/y:1', '127.0.0.1:5000/x/y:1'],
  ['ghcr.io/o/i', 'ghcr.io/o/i:latest'],
  [`a@sha256:${'0'.repeat(64)}`, `docker.io/library/a@sha256:${'0'.repeat(64)}`],
  ['-x', null],
  ['a b', null],
])('%s is %s', (text, full) => {
  expect(fullReference(text)).toEqual(full)
})

test('values that are made of values do not grow without end', () => {
  const lines = Array.from({ length: 40 }, (_, at) => `ARG V${at + 1}=${`\${V${at}}`.repeat(10)}`)
  expect(() => readDockerfile(['ARG V0=lockgate', ...lines, 'FROM node:24'].join('\n'), {})).toThrow('more than 8192 characters')
})
