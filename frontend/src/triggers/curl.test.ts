// @vitest-environment node
import { execFileSync, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'

import { expect, test } from 'vitest'

import type { JsonObject } from '../api/types'

import { curlLine, sharedGithubUrl } from './curl'

const url = 'https://forge.example.org/hooks/0123'
const has = (...programs: string[]) =>
  programs.every((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0)

/** What a shell makes of the line: the arguments that curl would be given. */
function argsOf(params: JsonObject, secret = 'whsec `$"\'\\ 1'): string[] {
  const script = `curl() { printf '%s\\0' "$@"; }; ${curlLine(url, params)}`
  const told = execFileSync('sh', ['-c', script], { env: { ...process.env, ORDERS_KEY: secret } })
  return told.toString().split('\0').slice(0, -1)
}

const valuesOf = (args: string[], flag: string): string[] => args.filter((_, at) => args[at - 1] === flag)
const auth = (more: JsonObject): JsonObject => ({ auth: { secret: 'ORDERS_KEY', ...more } })
const hmac = (text: string, encoding: 'hex' | 'base64', secret: string) =>
  createHmac('sha256', secret).update(text).digest(encoding)

test('an open webhook is called with a body of JSON', () => {
  const args = argsOf({})
  expect(args[0]).toBe(url)
  expect(valuesOf(args, '-H')).toEqual(['Content-Type: application/json'])
  expect(JSON.parse(valuesOf(args, '-d')[0] ?? '')).toEqual({ hello: 'world' })
})

test('a webhook that takes nothing but PUT is called so', () => {
  expect(curlLine(url, { methods: ['PUT'] })).toContain('-X PUT')
  expect(curlLine(url, { methods: ['PUT', 'POST'] })).not.toContain('-X')
})

test.each([
  ['bearer', {}, 'Authorization: Bearer s3cret'],
  ['bearer', { header: 'X-Token' }, 'X-Token: s3cret'],
  ['gitlab', {}, 'X-Gitlab-Token: s3cret'],
])('%s %o', (scheme, more, header) => {
  expect(valuesOf(argsOf(auth({ scheme, ...more }), 's3cret'), '-H')).toContain(header)
})

test('a name and a password are given as curl wants them', () => {
  expect(valuesOf(argsOf(auth({ scheme: 'basic' }), 'ada:s3cret'), '-u')).toEqual(['ada:s3cret'])
})

const secret = 'whsec 0123456789'
test.skipIf(!has('openssl', 'base64')).each([
  ['hmac_sha256', {}, 'X-Signature: ', 'hex'],
  ['hmac_sha256', { prefix: 'a$`"=', header: 'X-Mine', encoding: 'base64' }, 'X-Mine: a$`"=', 'base64'],
  ['github', {}, 'X-Hub-Signature-256: sha256=', 'hex'],
] as const)('what is signed is what is sent: %s %o', (scheme, more, start, encoding) => {
  const args = argsOf(auth({ scheme, ...more }), secret)
  const [body = ''] = valuesOf(args, '-d')
  expect(valuesOf(args, '-H')).toContain(start + hmac(body, encoding, secret))
})

test.skipIf(!has('openssl', 'base64')).each([
  ['hmac_sha256', { timestamp_header: 'X-Time' }, /^X-Time: (\d+)$/, /^X-Signature: (\w+)$/, '$t.$body'],
  ['slack', {}, /^X-Slack-Request-Timestamp: (\d+)$/, /^X-Slack-Signature: v0=(\w+)$/, 'v0:$t:$body'],
  ['stripe', {}, /^Stripe-Signature: t=(\d+),/, /^Stripe-Signature: .*,v1=(\w+)$/, '$t.$body'],
])('the time is signed along: %s', (scheme, more, timed, signed, pattern) => {
  const args = argsOf(auth({ scheme, ...more }), secret)
  const found = (what: RegExp) =>
    valuesOf(args, '-H')
      .map((line) => what.exec(line)?.[1])
      .find(Boolean) ?? ''
  const text = pattern.replace('$t', found(timed)).replace('$body', valuesOf(args, '-d')[0] ?? '')
  expect(Math.abs(Date.now() / 1000 - Number(found(timed)))).toBeLessThan(60)
  expect(found(signed)).toBe(hmac(text, 'hex', secret))
})

test('the secret itself is never in the line', () => {
  expect(curlLine(url, auth({ scheme: 'bearer' }))).toContain('"Authorization: Bearer $ORDERS_KEY"')
})

test('the address for all GitHub triggers is that of the server', () => {
  expect(sharedGithubUrl(url)).toBe('https://forge.example.org/api/v1/webhooks/github')
  expect(sharedGithubUrl('https://example.org/forge/hooks/0123/test')).toBe(
    'https://example.org/forge/api/v1/webhooks/github',
  )
})
