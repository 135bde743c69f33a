// What the programs of the Node.js drivers share: where to connect, and how a check is reported.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { inspect, isDeepStrictEqual } from 'node:util'

const given = (name) => process.env[`DRIVER_${name}`]

export const host = given('HOST')
export const port = Number(given('PORT'))
export const user = given('USER')
export const password = given('PASSWORD')
export const ca = readFileSync(given('CA'), 'utf8')
export const poolSize = Number(given('POOL_SIZE'))
export const clients = 8

export const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i)
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export function same(found, wanted, what = '') {
  if (!isDeepStrictEqual(found, wanted))
    assert.fail(`${what} ${inspect(found).slice(0, 500)} instead of ${inspect(wanted).slice(0, 500)}`)
}

/** The error that a promise must end with, whose SQLSTATE must be `state`. */
export async function fails(state, promise) {
  const why = await promise.then(() => assert.fail(`no ${state}`), (error) => error)
  if (why.code !== state) throw new Error(`${why.code} instead of ${state}: ${why.message}`)
  return why
}

/** Runs all checks in turn; each has 120 seconds. */
export async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    let timer
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error('still running after 120 s')), 120000)))
    try {
      await Promise.race([check(), late])
      console.log(`ok ${name}`)
    } catch (why) {
      const place = String(why.stack).split('\n').filter((line) => line.includes('_check.mjs'))[0] ?? ''
      console.log(`not ok ${name}: ${why.code ?? ''} ${why.message} (${place.trim()})`.replaceAll('\n', ' '))
    }
    clearTimeout(timer)
  }
  process.exit(0)
}
