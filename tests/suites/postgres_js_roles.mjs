// In place of postgres.js' tests/bootstrap.js: drivers.py has made the roles and the database.
import { spawnSync } from 'node:child_process'

export function exec(program, words) {
  const { stderr } = spawnSync(program, words, { encoding: 'utf8' })
  if (stderr && !/already exists|does not exist|WARNING:/.test(stderr)) throw new Error(stderr)
}
