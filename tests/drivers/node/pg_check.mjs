// node-postgres: unnamed and named statements, its pool, its cursor and COPY streams, cancel, pipeline mode.

import { Readable } from 'node:stream'
import { pipeline as stream } from 'node:stream/promises'
import { text as readAll } from 'node:stream/consumers'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import * as checks from './checks.mjs'
import { fails, range, same, sleep } from './checks.mjs'

const me = 'pg'
const there = { host: checks.host, port: checks.port, user: checks.user, password: checks.password, connectionTimeoutMillis: 10000 }

async function connected(settings, work) {
  const client = new pg.Client({ ...there, database: 'app', ...settings })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const rows = async (client, ...query) => (await client.query(...query)).rows
const value = async (client, text, values) => (await client.query({ text, values, rowMode: 'array' })).rows[0][0]

await checks.run({
  async connect() {
    await connected({ application_name: 'drivers', options: '-c work_mem=77MB' }, async (client) => {
      same(await rows(client, 'SELECT current_user::text AS u, current_database()::text AS d'), [{ u: checks.user, d: 'app' }])
      same(await value(client, 'SHOW application_name'), 'drivers')
      same(await value(client, 'SHOW work_mem'), '77MB')
    })
    await fails('28P01', connected({ password: 'wrong' }, () => {}))
  },

  async tls() {
    for (const more of [{}, { maxVersion: 'TLSv1.2' }])
      await connected({ ssl: { ca: checks.ca, ...more } }, async (client) => {
        same(client.connection.stream.encrypted, true)
        same((await value(client, 'SELECT $1::text', ['x'.repeat(1000000)])).length, 1000000)
      })
    await connected({ ssl: { ca: checks.ca }, enableChannelBinding: true }, async (client) => same(await value(client, 'SELECT 1'), 1))
  },

  async prepared() {
    await connected({}, async (client) => {
      for (const i of range(0, 200)) {
        same(await rows(client, { name: 'plus', text: 'SELECT $1::int4 + 1 AS n, $2::text AS t', values: [i, `${i}`] }), [{ n: i + 1, t: `${i}` }])
        same(await value(client, 'SELECT $1::int4 * 2', [i]), 2 * i)
      }
      for (const i of range(0, 100)) same(await rows(client, { name: `s${i}`, text: `SELECT $1::int4 * ${i} AS n`, values: [3] }), [{ n: 3 * i }])
      await fails('22012', client.query({ name: 'div', text: 'SELECT 1 / $1::int4', values: [0] }))
      same(await rows(client, { name: 'div', text: 'SELECT 1 / $1::int4', values: [1] }), [{ '?column?': 1 }])
      same(await rows(client, { name: 'bin', text: 'SELECT $1::int4 AS n', values: [7], binary: true }), [{ n: 7 }])
    })
  },

  async transactions() {
    await connected({}, async (client) => {
      await client.query('DELETE FROM things WHERE driver = $1', [me])
      await client.query('BEGIN')
      await client.query("INSERT INTO things VALUES ($1, 1, 'kept')", [me])
      await client.query('SAVEPOINT s')
      await fails('23505', client.query("INSERT INTO things VALUES ($1, 1, 'twice')", [me]))
      await fails('25P02', client.query('SELECT 1'))
      await client.query('ROLLBACK TO SAVEPOINT s')
      same(await value(client, 'SELECT count(*)::int4 FROM things WHERE driver = $1', [me]), 1)
      await client.query('COMMIT')
      await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
      await client.query("INSERT INTO things VALUES ($1, 2, 'lost')", [me])
      await client.query('ROLLBACK')
      await client.query('BEGIN READ ONLY')
      await fails('25006', client.query('DELETE FROM things WHERE driver = $1', [me]))
      same((await client.query('COMMIT')).command, 'ROLLBACK')
      same(await rows(client, 'SELECT id, label FROM things WHERE driver = $1', [me]), [{ id: 1, label: 'kept' }])
      await client.query('BEGIN')
      const cursor = client.query(new Cursor('SELECT generate_series(1, $1::int4) AS n', [250]))
      const seen = []
      for (let part; (part = await cursor.read(20)).length; ) seen.push(...part.map((row) => row.n))
      same(seen, range(1, 251))
      await cursor.close()
      await client.query('COMMIT')
      const cut = client.query(new Cursor('SELECT generate_series(1, 1000) AS n'))
      same((await cut.read(3)).map((row) => row.n), [1, 2, 3])
      await cut.close()
      same(await value(client, 'SELECT 1'), 1)
    })
  },

  async errors() {
    await connected({}, async (client) => {
      await client.query("INSERT INTO things VALUES ($1, 10, 'x') ON CONFLICT DO NOTHING", [me])
      for (const _ of range(0, 10)) {
        await fails('42P01', client.query('SELECT * FROM nowhere'))
        same((await fails('42601', client.query('SELEC 1'))).position, '1')
        await fails('22P02', client.query('SELECT $1::int4', ['x']))
        const why = await fails('23505', client.query("INSERT INTO things VALUES ($1, 10, 'x')", [me]))
        same([why.severity, why.schema, why.table, why.constraint, why.detail],
          ['ERROR', 'public', 'things', 'things_pkey', 'Key (driver, id)=(pg, 10) already exists.'])
        same((await fails('23502', client.query("INSERT INTO things VALUES ($1, NULL, 'x')", [me]))).column, 'id')
        same(await value(client, 'SELECT $1::int4', [1]), 1)
      }
      const heard = []
      client.on('notice', (notice) => heard.push(notice.message))
      await client.query("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
      same(heard, ['heard'])
    })
  },

  async copy() {
    const lines = range(0, 20000).map((i) => `${me}\t${i}\trow ${i}\n`)
    await connected({}, async (client) => {
      const count = () => value(client, 'SELECT count(*)::int4 FROM things WHERE driver = $1', [me])
      await client.query('DELETE FROM things WHERE driver = $1', [me])
      const into = client.query(copyFrom('COPY things FROM STDIN'))
      await stream(Readable.from(lines), into)
      same(into.rowCount, 20000)
      const out = client.query(copyTo(`COPY (SELECT * FROM things WHERE driver = '${me}' ORDER BY id) TO STDOUT`))
      same((await readAll(out)) === lines.join(''), true, 'what comes out')
      await fails('23505', stream(Readable.from(lines), client.query(copyFrom('COPY things FROM STDIN'))))
      same(await count(), 20000)
      await fails('42P01', stream(Readable.from(lines), client.query(copyFrom('COPY nowhere FROM STDIN'))))
      const abandoned = client.query(copyFrom('COPY things FROM STDIN'))
      await new Promise((resolve) => abandoned.write(`${me}\t90000\tgiven up\n`, resolve))
      const ended = new Promise((_, reject) => abandoned.on('error', reject))
      abandoned.destroy()
      await fails('57014', ended)
      same(await count(), 20000)
    })
  },

  async cancel() {
    await connected({}, async (client) => {
      for (const text of ['SELECT pg_sleep(30)', 'SELECT pg_sleep(30) FROM things FOR UPDATE']) {
        await client.query("INSERT INTO things VALUES ($1, 1, 'x') ON CONFLICT DO NOTHING", [me])
        const query = new pg.Query(text)
        const ended = new Promise((resolve, reject) => query.on('end', resolve).on('error', reject))
        client.query(query)
        setTimeout(() => new pg.Client(there).cancel(client, query), 400)
        const begun = Date.now()
        await fails('57014', ended)
        same(Date.now() - begun < 20000, true)
        same(await value(client, 'SELECT 5'), 5)
      }
      await client.query("SET statement_timeout = '300ms'")
      await fails('57014', client.query('SELECT pg_sleep(30)'))
      same(await value(client, 'SELECT 6'), 6)
    })
  },

  async values() {
    const row = {
      numbers: [1, null, -3], names: ['a', 'b"c', 'd,e', '\\', ''], key: '00112233-4455-6677-8899-aabbccddeeff',
      at: new Date('2024-02-29T23:59:59.123Z'), amount: '-12345678901234567890.000123', bytes: Buffer.from(range(0, 256)),
      document: { a: [1, 2.5, null, 'ä"\\'], b: { c: true } }, flag: true, ratio: 0.1, big: '-9223372036854775808' }
    await connected({}, async (client) => {
      await client.query('DELETE FROM typed WHERE driver = $1', [me])
      const names = Object.keys(row)
      await client.query(`INSERT INTO typed (driver, ${names}) VALUES ($1, ${names.map((_, i) => `$${i + 2}`)})`, [me, ...Object.values(row)])
      for (const name of [undefined, 'typed', 'typed'])
        same(await rows(client, { name, text: `SELECT ${names} FROM typed WHERE driver = $1`, values: [me] }), [row])
      same(await rows(client, 'SELECT $1::int4 AS a, $2::text AS b', [null, 'ü']), [{ a: null, b: 'ü' }])
    })
  },

  async sharing() {
    const pids = new Set()
    const pool = new pg.Pool({ ...there, database: 'app', max: checks.clients })
    await Promise.all(range(0, checks.clients).map(async (number) => {
      for (const i of range(0, 20)) {
        const client = await pool.connect()
        await client.query('BEGIN')
        pids.add(await value(client, 'SELECT pg_backend_pid()'))
        await client.query(`SET LOCAL work_mem = '${64 + number}MB'`)
        same(await value(client, "SELECT current_setting('work_mem')"), `${64 + number}MB`)
        await client.query('COMMIT')
        same(await rows(client, { name: 'own', text: 'SELECT $1::text AS t', values: [`${number}.${i}`] }), [{ t: `${number}.${i}` }])
        client.release()
      }
    }))
    await pool.end()
    same(pids.size >= 1 && pids.size <= checks.poolSize, true, `${pids.size} server connections:`)
  },

  async listen() {
    for (const database of ['app', 'shop'])
      await connected({ database }, async (client) => {
        const heard = []
        client.on('notification', (what) => heard.push(what.payload))
        await client.query('LISTEN drivers')
        await connected({ database }, (other) => other.query("SELECT pg_notify('drivers', 'told')"))
        for (let i = 0; i < 100 && !heard.length; ++i) await sleep(50)
        same(heard, ['told'])
        await client.query('UNLISTEN drivers')
      })
  },

  async pipeline() {
    await connected({ pipeline: true }, async (client) => {
      await client.query('DELETE FROM things WHERE driver = $1', [me])
      const found = await Promise.all(range(0, 300).map((i) =>
        value(client, ...(i % 3 ? ['SELECT $1::int4', [i]] : [`SELECT ${i}`]))))
      same(found, range(0, 300))
      const named = await Promise.all(range(0, 100).map((i) => rows(client, { name: 'p', text: 'SELECT $1::int4 AS n', values: [i] })))
      same(named.map(([row]) => row.n), range(0, 100))
      const ends = await Promise.allSettled(range(0, 30).map((i) => client.query('INSERT INTO things VALUES ($1, $2, $3)', [me, i % 20, 'x'])))
      same(ends.map((end) => end.reason?.code ?? 'ok'), range(0, 30).map((i) => (i < 20 ? 'ok' : '23505')))
      const [, , sum, , after] = await Promise.all([client.query('BEGIN'), client.query('DELETE FROM things WHERE driver = $1', [me]),
        value(client, 'SELECT count(*)::int4 FROM things WHERE driver = $1', [me]), client.query('ROLLBACK'),
        value(client, 'SELECT count(*)::int4 FROM things WHERE driver = $1', [me])])
      same([sum, after], [0, 20])
    })
  },

  async shards() {
    const users = range(4000, 4040)
    await connected({ database: 'shop' }, async (client) => {
      for (const id of users) {
        await client.query('DELETE FROM orders WHERE user_id = $1', [id])
        await client.query({ name: 'add', text: 'INSERT INTO orders (id, user_id, note) VALUES (1, $1, $2)', values: [id, me] })
      }
      for (const id of users) {
        same(await rows(client, { name: 'get', text: 'SELECT user_id, note FROM orders WHERE user_id = $1', values: [id] }), [{ user_id: `${id}`, note: me }])
        same(await rows(client, `SELECT note FROM orders WHERE user_id = ${id}`), [{ note: me }])
        same(await rows(client, { text: 'SELECT count(DISTINCT user_id)::int AS n FROM orders WHERE note = $1', values: [me] }), [{ n: users.length }])
      }
      const why = await fails('23505', client.query('INSERT INTO orders (id, user_id) VALUES (1, $1)', [4001]))
      same([why.table, why.constraint], ['orders', 'orders_pkey'])
      const total = () => rows(client, 'SELECT sum(amount)::int AS amount, count(*)::int AS n FROM orders WHERE note = $1', [me])
      for (const amount of range(1, 6)) {
        same((await client.query({ name: 'all', text: 'UPDATE orders SET amount = $2 WHERE note = $1', values: [me, amount] })).rowCount, users.length)
        same(await total(), [{ amount: amount * users.length, n: users.length }])
      }
      const several = 'INSERT INTO orders (id, user_id) VALUES ' + users.map((_, i) => `(2, $${i + 1})`).join(', ')
      same((await rows(client, several + ' RETURNING user_id', users)).map((row) => Number(row.user_id)), users)
      same((await client.query('DELETE FROM orders WHERE id = 2')).rowCount, users.length)
      await fails('23505', client.query(several + ', (1, 4007)', users))
      same(await rows(client, 'SELECT count(*)::int AS n FROM orders WHERE id = 2'), [{ n: 0 }])
      for (const [amount, end] of [[6, 'COMMIT'], [7, 'ROLLBACK'], [8, '23505']]) {
        await client.query('BEGIN')
        for (const id of users) same((await client.query('UPDATE orders SET amount = $1 WHERE user_id = $2', [amount, id])).rowCount, 1)
        same(await total(), [{ amount: amount * users.length, n: users.length }])
        if (end === '23505') await fails(end, client.query('INSERT INTO orders (id, user_id) VALUES (1, 4009)'))
        same((await client.query(end === 'ROLLBACK' ? end : 'COMMIT')).command, end === 'COMMIT' ? end : 'ROLLBACK')
        same(await total(), [{ amount: 6 * users.length, n: users.length }])
      }
      await client.query('BEGIN')
      await client.query("UPDATE orders SET note = 'changed' WHERE user_id = $1", [4001])
      same(await rows(client, 'SELECT note FROM orders WHERE user_id = $1', [4001]), [{ note: 'changed' }])
      await client.query('ROLLBACK')
    })
    await connected({ database: 'shop', pipeline: true }, async (client) => {
      const found = await Promise.all(users.map((id) => rows(client, 'SELECT user_id FROM orders WHERE user_id = $1', [id])))
      same(found.map(([row]) => Number(row.user_id)), users)
      const [, ...ends] = await Promise.all([client.query('BEGIN'),
        ...users.map((id) => client.query('UPDATE orders SET amount = 9 WHERE user_id = $1', [id])), client.query('COMMIT')])
      same(ends.map((end) => end.rowCount ?? end.command), [...users.map(() => 1), 'COMMIT'])
      same(await value(client, 'SELECT sum(amount)::int FROM orders WHERE note = $1', [me]), 9 * users.length)
    })
  },
})
