// The checks of the Node.js drivers of MySQL; each program beside this one says how its driver connects.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { inspect, isDeepStrictEqual } from 'node:util'

const given = (name) => process.env[`DRIVER_${name}`]
export const host = given('HOST') === 'localhost' ? '127.0.0.1' : given('HOST')
export const port = Number(given('PORT'))
export const user = given('USER')
export const password = given('PASSWORD')
export const ca = readFileSync(given('CA'), 'utf8')
const sharded = given('SHARDED') === '1'
const clients = 8
const names = ['one', 'two', 'three']

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i)

function same(found, wanted, what = '') {
  if (!isDeepStrictEqual(found, wanted)) assert.fail(`${what} ${inspect(found).slice(0, 500)} instead of ${inspect(wanted).slice(0, 500)}`)
}

async function fails(number, promise) {
  const why = await promise.then(() => assert.fail(`no ${number}`), (error) => error)
  if (why.errno !== number) throw new Error(`${why.errno} instead of ${number}: ${why.message}`)
  return why
}

/** `connect(database, more)` answers { query(sql, values), execute(sql, values) or nothing, end() }; rows come as arrays of plain objects. */
export async function run(connect, tls) {
  const plain = (rows) => (Array.isArray(rows) ? [...rows].map((row) => ({ ...row })) : rows)
  const opened = async (database = 'app', more = {}) => {
    const made = await connect(database, more)
    const each = (call) => async (sql, values) => plain(await call(sql, values))
    return { query: each(made.query), execute: made.execute && each(made.execute), end: made.end }
  }
  const ways = (a) => (a.execute ? [a.query, a.execute] : [a.query])
  const checks = {
    async connect() {
      const a = await opened()
      same(await a.query('SELECT DATABASE() AS d, 1 + 1 AS n'), [{ d: 'app', n: 2 }].map((row) => ({ ...row, n: row.n })))
      await fails(1045, opened('app', { password: 'wrong' }))
      await a.end()
    },
    async tls() {
      const a = await opened('app', tls)
      same((await a.query('SELECT name FROM things WHERE id = 2'))[0].name, 'two')
      await a.end()
    },
    async prepared() {
      const a = await opened()
      for (const way of ways(a))
        for (const _ of range(0, 3))
          for (const id of [1, 2, 3]) same(await way('SELECT id, name FROM things WHERE id = ?', [id]), [{ id, name: names[id - 1] }])
      await a.end()
    },
    async transactions() {
      const [a, b] = [await opened(), await opened()]
      await a.query('START TRANSACTION')
      await a.query("UPDATE things SET name = 'changed' WHERE id = 1")
      same((await b.query('SELECT name FROM things WHERE id = 1'))[0].name, 'one')
      await a.query('ROLLBACK')
      same((await a.query('SELECT name FROM things WHERE id = 1'))[0].name, 'one')
      await a.query('BEGIN')
      const made = await a.query("INSERT INTO notes (text) VALUES ('kept')")
      await a.query('COMMIT')
      same(await a.query('SELECT text FROM notes WHERE id = ?', [Number(made.insertId)]), [{ text: 'kept' }])
      await a.query('DELETE FROM notes')
      await Promise.all([a.end(), b.end()])
    },
    async errors() {
      const a = await opened()
      await fails(1146, a.query('SELECT * FROM nowhere'))
      await fails(1062, a.query("INSERT INTO things VALUES (1, 'again')"))
      same((await a.query("SELECT 'still' AS here"))[0].here, 'still')
      await a.end()
    },
    async values() {
      const a = await opened()
      const text = 'h\u00f6he \u{1F600}\'"\\%'
      const bytes = Buffer.from(range(0, 256))
      for (const way of ways(a)) {
        await a.query('DELETE FROM kinds')
        await way('INSERT INTO kinds (i, f, t, x, n) VALUES (?, ?, ?, ?, ?)', [-2147483648, 0.1, text, bytes, null])
        const [found] = await way('SELECT i, f, t, x, n FROM kinds', [])
        same({ ...found, x: Buffer.from(found.x) }, { i: -2147483648, f: 0.1, t: text, x: bytes, n: null })
      }
      await a.end()
    },
    async sharing() {
      await Promise.all(
        range(0, clients).map(async (number) => {
          const a = await opened()
          await a.query(`SET time_zone = '+0${number}:00'`)
          for (const _ of range(0, 20))
            same(await a.query('SELECT @@time_zone AS zone, name FROM things WHERE id = ?', [(number % 3) + 1]), [
              { zone: `+0${number}:00`, name: names[number % 3] },
            ])
          await a.end()
        }),
      )
    },
    async session() {
      const a = await opened()
      await a.query('SET @a = 5')
      same(Number((await a.query('SELECT @a + 1 AS n'))[0].n), 6)
      await a.query('CREATE TEMPORARY TABLE mine (i INT)')
      await a.query('INSERT INTO mine VALUES (1), (2)')
      same(Number((await a.query('SELECT COUNT(*) AS n FROM mine'))[0].n), 2)
      await a.query('DROP TEMPORARY TABLE mine')
      await a.end()
    },
    async shards() {
      const a = await opened('shop')
      for (const id of range(501, 509)) {
        await a.query('DELETE FROM users WHERE id = ?', [id])
        for (const way of ways(a)) {
          await way('DELETE FROM users WHERE id = ?', [id])
          await way('INSERT INTO users VALUES (?, ?)', [id, `n${id}`])
          same(await way('SELECT name FROM users WHERE id = ?', [id]), [{ name: `n${id}` }])
        }
      }
      if (sharded) assert.match((await fails(1235, a.query('SELECT COUNT(*) FROM users'))).message, /hint/)
      await a.end()
    },
  }
  for (const [name, check] of Object.entries(checks)) {
    let timer
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error('still running after 60 s')), 60000)))
    try {
      await Promise.race([check(), late])
      console.log(`ok ${name}`)
    } catch (why) {
      const place = String(why.stack).split('\n').filter((line) => line.includes('checks.mjs'))[0] ?? ''
      console.log(`not ok ${name}: ${why.code ?? ''} ${why.message} (${place.trim()})`.replaceAll('\n', ' '))
    }
    clearTimeout(timer)
  }
  process.exit(0)
}
