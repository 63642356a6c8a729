// The workloads as a Restate service. The server journals the result of each `ctx.run` before the handler goes on.
import * as restate from '@restatedev/restate-sdk'

const chain = (steps) => async (ctx, input) => {
  let n = input.n
  for (let step = 0; step < steps; step++) {
    const before = n
    n = await ctx.run(`s${step}`, async () => before + 1)
  }
  return { n, done: true }
}

const fan = async (ctx, input) => {
  const first = await ctx.run('first', async () => input.n)
  const parts = Array.from({ length: 100 }, (_, part) => ctx.run(`m${part}`, async () => first + part))
  const all = await restate.RestatePromise.all(parts)
  const n = await ctx.run('last', async () => all.reduce((sum, part) => sum + part, 0))
  return { n, done: true }
}

const bench = restate.service({ name: 'bench', handlers: { w1: chain(3), w2: fan, w3: chain(40) } })
await restate.serve({ services: [bench], port: Number(process.env.PORT) })
