// The workloads as DBOS workflows on PostgreSQL. Start, each step and end are rows that are committed before it goes on.
import http from 'node:http'
import { DBOS } from '@dbos-inc/dbos-sdk'

const step = (name, work) => DBOS.runStep(work, { name })

const chain = (steps) => async (input) => {
  let n = input.n
  for (let number = 0; number < steps; number++) {
    const before = n
    n = await step(`s${number}`, async () => before + 1)
  }
  return { n, done: true }
}

const fan = async (input) => {
  const first = await step('first', async () => input.n)
  const parts = Array.from({ length: 100 }, (_, part) => step(`m${part}`, async () => first + part))
  const all = await Promise.all(parts)
  const n = await step('last', async () => all.reduce((sum, part) => sum + part, 0))
  return { n, done: true }
}

const workflows = Object.fromEntries(
  Object.entries({ w1: chain(3), w2: fan, w3: chain(40) }).map(([name, work]) => [name, DBOS.registerWorkflow(work, { name })]),
)
DBOS.setConfig({
  name: 'bench',
  systemDatabaseUrl: process.env.DATABASE_URL,
  systemDatabasePoolSize: 20,
  logLevel: 'error',
  runAdminServer: false,
})
await DBOS.launch()

// POST /w1 answers at the end of the run, POST /w1/send when it is accepted.
const answer = async (url, body) => {
  const [, name, mode] = url.split('/')
  const handle = await DBOS.startWorkflow(workflows[name])(JSON.parse(body))
  return mode === 'send' ? { id: handle.workflowID } : await handle.getResult()
}

const server = http.createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const [status, value] = await answer(request.url, body).then(
    (value) => [200, value],
    (fault) => [500, { error: String(fault) }],
  )
  const text = JSON.stringify(value)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
})
server.listen(Number(process.env.PORT), '127.0.0.1')
