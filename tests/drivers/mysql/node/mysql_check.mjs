import mysql from 'mysql'
import { promisify } from 'node:util'
import { ca, host, password, port, run, user } from './checks.mjs'

async function connect(database, more) {
  const made = mysql.createConnection({ host, port, user, password, database, charset: 'utf8mb4', ...more })
  await promisify(made.connect).call(made)
  return { query: promisify(made.query).bind(made), end: promisify(made.end).bind(made) }
}
await run(connect, { ssl: { ca } })
