import mysql from 'mysql2/promise'
import { ca, host, password, port, run, user } from './checks.mjs'

async function connect(database, more) {
  const made = await mysql.createConnection({ host, port, user, password, database, ...more })
  return {
    query: async (sql, values) => (await made.query(sql, values))[0],
    execute: async (sql, values) => (await made.execute(sql, values))[0],
    end: () => made.end(),
  }
}
await run(connect, { ssl: { ca, servername: 'localhost', checkServerIdentity: () => undefined } })
