import mariadb from 'mariadb'
import { ca, host, password, port, run, user } from './checks.mjs'

async function connect(database, more) {
  const made = await mariadb.createConnection({ host, port, user, password, database, bigIntAsNumber: true, insertIdAsNumber: true, ...more })
  return {
    query: (sql, values) => made.query(sql, values),
    execute: (sql, values) => made.execute(sql, values),
    end: () => made.end(),
  }
}
await run(connect, { ssl: { ca, checkServerIdentity: () => undefined } })
