import type { Json, JsonObject } from '../api/types'

// A line for a terminal that calls a webhook as its trigger asks for it. The secret itself is never in it: it is read from
// a variable of the shell that is called like it.

const sample = '{"hello": "world"}'

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

const objectOf = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}

/** Single quotes, as a shell reads them to the letter. */
const quoted = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`

/** A value within double quotes, in which a shell replaces variables. */
const escaped = (value: string): string => value.replace(/[\\"$`]/g, '\\$&')

const header = (name: string, value: string): string => `-H "${escaped(name)}: ${value}"`

const hmac = (what: string, secret: string, encoding: string): string => {
  const tail = encoding === 'base64' ? ' -binary | base64' : ` -r | cut -d' ' -f1`
  return `$(printf %s "${what}" | openssl dgst -sha256 -hmac "$${secret}"${tail})`
}

type Proof = { head?: string; args: string[]; signs?: boolean }

/** What proves to the trigger who calls. `signs`: the body is needed twice, so it is a variable. */
function proofOf(auth: JsonObject): Proof {
  const secret = text(auth.secret) || 'SECRET'
  const own = text(auth.header)
  const now = 't=$(date +%s)'
  switch (text(auth.scheme)) {
    case 'bearer':
      return own && own.toLowerCase() !== 'authorization'
        ? { args: [header(own, `$${secret}`)] }
        : { args: [header('Authorization', `Bearer $${secret}`)] }
    case 'basic':
      return { args: [`-u "$${secret}"`] }
    case 'gitlab':
      return { args: [header('X-Gitlab-Token', `$${secret}`)] }
    case 'github':
      return { signs: true, args: [header('X-Hub-Signature-256', `sha256=${hmac('$body', secret, 'hex')}`)] }
    case 'slack': {
      const signature = `v0=${hmac('v0:$t:$body', secret, 'hex')}`
      return {
        signs: true,
        head: now,
        args: [header('X-Slack-Request-Timestamp', '$t'), header('X-Slack-Signature', signature)],
      }
    }
    case 'stripe':
      return {
        signs: true,
        head: now,
        args: [header('Stripe-Signature', `t=$t,v1=${hmac('$t.$body', secret, 'hex')}`)],
      }
    case 'hmac_sha256': {
      const timed = text(auth.timestamp_header)
      const signature = hmac(timed ? '$t.$body' : '$body', secret, text(auth.encoding))
      const args = [header(own || 'X-Signature', escaped(text(auth.prefix)) + signature)]
      return timed ? { signs: true, head: now, args: [header(timed, '$t'), ...args] } : { signs: true, args }
    }
    default:
      return { args: [] }
  }
}

/** The line for an address and the parameters of its trigger. */
export function curlLine(url: string, params: JsonObject): string {
  const { head, args, signs } = proofOf(objectOf(params.auth))
  const methods = Array.isArray(params.methods) ? params.methods : []
  const put = methods.includes('PUT') && !methods.includes('POST') ? ['-X PUT'] : []
  const call = ['curl', ...put, quoted(url), `-H 'Content-Type: application/json'`, ...args]
  const before = [head, signs && `body=${quoted(sample)}`].filter(Boolean)
  return [...before, [...call, '-d', signs ? '"$body"' : quoted(sample)].join(' ')].join('; ')
}

/** GitHub needs one address only for all triggers of a server: each takes what its own secret has signed. */
export const sharedGithubUrl = (url: string): string =>
  url.replace(/\/hooks\/[^/]*(\/test)?$/, '/api/v1/webhooks/github')
