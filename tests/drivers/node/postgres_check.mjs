// postgres.js: everything pipelined and prepared unless told otherwise; cursors, COPY as streams, cancel, listen.

import { Readable } from 'node:stream'
import { pipeline as stream } from 'node:stream/promises'
import { text as readAll } from 'node:stream/consumers'
import postgres from 'postgres'
import * as checks from './checks.mjs'
import { fails, range, same, sleep } from './checks.mjs'

const me = 'postgres'
const there = { host: checks.host, port: checks.port, user: checks.user, password: checks.password, connect_timeout: 10, onnotice: () => {} }

async function connected(settings, work) {
  const sql = postgres({ ...there, database: 'app', max: 1, ...settings })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 2 })
  }
}

const plain = (rows) => rows.map((row) => ({ ...row }))
const value = async (query) => Object.values((await query)[0])[0]

await checks.run({
  async connect() {
    await connected({ connection: { application_name: 'drivers', work_mem: '77MB' } }, async (sql) => {
      same(plain(await sql`SELECT current_user::text AS u, current_database()::text AS d`), [{ u: checks.user, d: 'app' }])
      same(await value(sql`SHOW application_name`), 'drivers')
      same(await value(sql`SHOW work_mem`), '77MB')
      same(Number(sql.parameters.server_version.split('.')[0]) >= 15, true)
    })
    await fails('28P01', connected({ password: 'wrong' }, (sql) => sql`SELECT 1`))
  },

  async tls() {
    await connected({ ssl: { ca: checks.ca } }, async (sql) =>
      same((await value(sql`SELECT ${'x'.repeat(1000000)}::text`)).length, 1000000))
    await connected({ ssl: 'require' }, async (sql) => same(await value(sql`SELECT 1`), 1))
  },

  async prepared() {
    for (const prepare of [true, false])
      await connected({ prepare }, async (sql) => {
        for (const i of range(0, 200))
          same(plain(await sql`SELECT ${i}::int4 + 1 AS n, ${`${i}`}::text AS t`), [{ n: i + 1, t: `${i}` }])
        for (const i of range(0, 100)) same(await value(sql.unsafe(`SELECT $1::int4 * ${i}`, [3], { prepare })), 3 * i)
        const described = await sql`SELECT id, label FROM things WHERE driver = ${me} AND id = ${1}`.describe()
        same([described.types, described.columns.map((column) => column.name)], [[25, 23], ['id', 'label']])
      })
    await connected({}, async (sql) => {
      await sql`DROP TABLE IF EXISTS changing_postgres`
      await sql`CREATE TABLE changing_postgres (a int)`
      await sql`INSERT INTO changing_postgres VALUES (1)`
      const read = () => sql`SELECT * FROM changing_postgres`
      same(plain(await read()), [{ a: 1 }])
      await sql`ALTER TABLE changing_postgres ADD b text DEFAULT 'b'`
      same(plain(await read()), [{ a: 1, b: 'b' }])
      await sql`DROP TABLE changing_postgres`
    })
  },

  async transactions() {
    await connected({ max: 3 }, async (sql) => {
      await sql`DELETE FROM things WHERE driver = ${me}`
      await sql.begin(async (sql) => {
        await sql`INSERT INTO things VALUES (${me}, 1, 'kept')`
        await fails('23505', sql.savepoint((sql) => sql`INSERT INTO things VALUES (${me}, 1, 'twice')`))
        same(await value(sql`SELECT count(*)::int4 FROM things WHERE driver = ${me}`), 1)
      })
      const given = await sql.begin('isolation level serializable', async (sql) => {
        await sql`INSERT INTO things VALUES (${me}, 2, 'lost')`
        throw new Error('given up')
      }).catch((why) => why.message)
      same(given, 'given up')
      await fails('25006', sql.begin('read only', (sql) => sql`DELETE FROM things WHERE driver = ${me}`))
      same(plain(await sql`SELECT id, label FROM things WHERE driver = ${me}`), [{ id: 1, label: 'kept' }])
      const seen = []
      await sql`SELECT generate_series(1, 250) AS n`.cursor(20, (part) => seen.push(...part.map((row) => row.n)))
      same(seen, range(1, 251))
      for await (const [row] of sql`SELECT generate_series(1, 250) AS n`.cursor()) if (row.n === 3) break
      same(await value(sql`SELECT 1`), 1)
      const reserved = await sql.reserve()
      await reserved`SET work_mem = '88MB'`
      same(await value(reserved`SHOW work_mem`), '88MB')
      reserved.release()
    })
  },

  async errors() {
    const heard = []
    await connected({ onnotice: (notice) => heard.push(notice.message) }, async (sql) => {
      await sql`INSERT INTO things VALUES (${me}, 10, 'x') ON CONFLICT DO NOTHING`
      for (const _ of range(0, 10)) {
        await fails('42P01', sql`SELECT * FROM nowhere`)
        same((await fails('42601', sql`SELEC 1`)).position, '1')
        await fails('22012', sql`SELECT 1 / ${0}::int4`)
        const why = await fails('23505', sql`INSERT INTO things VALUES (${me}, 10, 'x')`)
        same([why.severity, why.schema_name, why.table_name, why.constraint_name, why.detail],
          ['ERROR', 'public', 'things', 'things_pkey', 'Key (driver, id)=(postgres, 10) already exists.'])
        same((await fails('23502', sql`INSERT INTO things VALUES (${me}, ${null}, 'x')`)).column_name, 'id')
        same(await value(sql`SELECT ${1}::int4`), 1)
      }
      await sql`DO $$ BEGIN RAISE NOTICE 'heard'; END $$`
      same(heard, ['heard'])
    })
  },

  async copy() {
    const lines = range(0, 20000).map((i) => `${me}\t${i}\trow ${i}\n`)
    await connected({}, async (sql) => {
      const count = () => value(sql`SELECT count(*)::int4 FROM things WHERE driver = ${me}`)
      await sql`DELETE FROM things WHERE driver = ${me}`
      await stream(Readable.from(lines), await sql`COPY things FROM STDIN`.writable())
      same(await count(), 20000)
      // The last on its connection: of what is asked right behind a COPY TO, the driver now and then awaits the answer for ever.
      const out = await sql.unsafe(`COPY (SELECT * FROM things WHERE driver = '${me}' ORDER BY id) TO STDOUT`).readable()
      same((await readAll(out)) === lines.join(''), true, 'what comes out')
    })
    // The driver tells nobody of a COPY that fails at its end; what can be seen is that nothing is stored and the connection goes on.
    for (const end of [(to) => to.end(`${me}\t1\ttwice\n`), (to) => to.destroy(new Error('enough'))])
      await connected({}, async (sql) => {
        const to = await sql`COPY things FROM STDIN`.writable()
        to.on('error', () => {})
        to.write(`${me}\t90000\tlost\n`)
        end(to)
        await sleep(500)
        same(await value(sql`SELECT count(*)::int4 FROM things WHERE driver = ${me}`), 20000)
      })
  },

  async cancel() {
    await connected({}, async (sql) => {
      for (const text of ['SELECT pg_sleep(30)', 'SELECT pg_sleep(30) FROM things FOR UPDATE']) {
        await sql`INSERT INTO things VALUES (${me}, 1, 'x') ON CONFLICT DO NOTHING`
        const query = sql.unsafe(text)
        setTimeout(() => query.cancel(), 400)
        const begun = Date.now()
        await fails('57014', query)
        same(Date.now() - begun < 20000, true)
        same(await value(sql`SELECT ${5}::int4`), 5)
      }
    })
  },

  async values() {
    const row = {
      numbers: [1, 0, -3], names: ['a', 'b"c', 'd,e', '\\', ''], key: '00112233-4455-6677-8899-aabbccddeeff',
      at: new Date('2024-02-29T23:59:59.123Z'), amount: '-12345678901234567890.000123', bytes: Buffer.from(range(0, 256)),
      document: { a: [1, 2.5, null, 'ä"\\'], b: { c: true } }, flag: true, ratio: 0.1, big: -(2n ** 63n) }
    await connected({ types: { bigint: postgres.BigInt } }, async (sql) => {
      await sql`DELETE FROM typed WHERE driver = ${me}`
      await sql`INSERT INTO typed ${sql({ driver: me, ...row }, 'driver', ...Object.keys(row))}`
      for (const _ of range(0, 3))
        same(plain(await sql`SELECT ${sql(Object.keys(row))} FROM typed WHERE driver = ${me}`), [row])
      same(plain(await sql`SELECT ${null}::int4 AS a, ${'ü'}::text AS b`), [{ a: null, b: 'ü' }])
      // its types of arrays are read from pg_type when the connection starts
      same(await value(sql`SELECT ${sql.array(['2024-01-01'], 1182)}::date[]`), [new Date('2024-01-01')])
    })
  },

  async sharing() {
    const pids = new Set()
    await connected({ max: checks.clients }, (sql) =>
      Promise.all(range(0, checks.clients).map(async (number) => {
        for (const i of range(0, 20)) {
          await sql.begin(async (sql) => {
            pids.add(await value(sql`SELECT pg_backend_pid()`))
            await sql.unsafe(`SET LOCAL work_mem = '${64 + number}MB'`)
            same(await value(sql`SELECT current_setting('work_mem')`), `${64 + number}MB`)
          })
          same(await value(sql`SELECT ${`${number}.${i}`}::text`), `${number}.${i}`)
        }
      })))
    same(pids.size >= 1 && pids.size <= checks.poolSize, true, `${pids.size} server connections:`)
  },

  async listen() {
    for (const database of ['app', 'shop'])
      await connected({ database }, async (sql) => {
        const heard = []
        const { unlisten } = await sql.listen('drivers', (payload) => heard.push(payload))
        await sql.notify('drivers', 'told')
        for (let i = 0; i < 100 && !heard.length; ++i) await sleep(50)
        same(heard, ['told'])
        await unlisten()
      })
  },

  async pipeline() {
    await connected({}, async (sql) => {
      await sql`DELETE FROM things WHERE driver = ${me}`
      same(await Promise.all(range(0, 300).map((i) => value(sql`SELECT ${i}::int4`))), range(0, 300))
      const ends = await Promise.allSettled(range(0, 30).map((i) => sql`INSERT INTO things VALUES (${me}, ${i % 20}, 'x')`))
      same(ends.map((end) => end.reason?.code ?? 'ok'), range(0, 30).map((i) => (i < 20 ? 'ok' : '23505')))
      const [gone, [{ left }]] = await sql.begin((sql) => [
        sql`DELETE FROM things WHERE driver = ${me} AND id < 5`,
        sql`SELECT count(*)::int4 AS left FROM things WHERE driver = ${me}`])
      same([gone.count, left], [5, 15])
      await fails('23505', sql.begin((sql) => range(10, 12).map((i) => sql`INSERT INTO things VALUES (${me}, ${i}, 'x')`)))
      same((await sql`SELECT 1 AS a; SELECT 2 AS b`.simple()).map(plain), [[{ a: 1 }], [{ b: 2 }]])
    })
  },

  async shards() {
    const users = range(5000, 5040)
    await connected({ database: 'shop' }, async (sql) => {
      for (const id of users) {
        await sql`DELETE FROM orders WHERE user_id = ${id}`
        await sql`INSERT INTO orders ${sql({ id: 1, user_id: id, note: me })}`
      }
      for (const id of users) {
        same(plain(await sql`SELECT user_id, note FROM orders WHERE user_id = ${id}`), [{ user_id: `${id}`, note: me }])
        same(Number(await value(sql`SELECT count(DISTINCT user_id) FROM orders WHERE note = ${me}`)), users.length)
      }
      const found = await Promise.all(users.map((id) => value(sql`SELECT user_id FROM orders WHERE user_id = ${id}`)))
      same(found.map(Number), users)
      same((await fails('23505', sql`INSERT INTO orders (id, user_id) VALUES (1, 5001)`)).constraint_name, 'orders_pkey')
      await sql.begin(async (sql) => {
        await sql`UPDATE orders SET note = 'changed' WHERE user_id = ${5001}`
        same(await value(sql`SELECT note FROM orders WHERE user_id = ${5001}`), 'changed')
      })
      const total = async () => plain(await sql`SELECT sum(amount)::int4 AS amount, count(*)::int4 AS n FROM orders WHERE note = ${me}`)
      const all = (amount) => [{ amount: amount * users.length, n: users.length }]
      await sql`UPDATE orders SET note = ${me} WHERE note = 'changed'`
      for (const amount of range(1, 6)) {
        same((await sql`UPDATE orders SET amount = ${amount} WHERE note = ${me}`).count, users.length)
        same(await total(), all(amount))
      }
      const rows = users.map((id) => ({ id: 2, user_id: id }))
      same((await sql`INSERT INTO orders ${sql(rows)} RETURNING user_id`).map((row) => Number(row.user_id)), users)
      same((await sql`DELETE FROM orders WHERE id = 2`).count, users.length)
      await fails('23505', sql`INSERT INTO orders ${sql([...rows, { id: 1, user_id: 5007 }])}`)
      same(await value(sql`SELECT count(*)::int4 FROM orders WHERE id = 2`), 0)
      await sql.begin(async (sql) => {
        for (const id of users) same((await sql`UPDATE orders SET amount = 6 WHERE user_id = ${id}`).count, 1)
      })
      // In a pipeline: all of them are sent before the first is answered.
      await sql.begin((sql) => users.map((id) => sql`UPDATE orders SET amount = amount + 1 WHERE user_id = ${id}`))
      same(await total(), all(7))
      await fails('23505', sql.begin(async (sql) => {
        for (const id of users) await sql`UPDATE orders SET amount = 8 WHERE user_id = ${id}`
        await sql`INSERT INTO orders (id, user_id) VALUES (1, 5009)`
      }))
      same(await total(), all(7))
      same(await value(sql`SELECT note FROM orders WHERE user_id = ${5000}`), me)
    })
  },
})
