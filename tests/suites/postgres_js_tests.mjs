// In place of postgres.js' tests/test.js, which ends at the first failure: runs every test, one after the other, and
// prints a line for each. A test answers [expected, got], either of which may be a promise.
let turn = Promise.resolve()
let last

const late = (seconds) =>
  new Promise((_, reject) => setTimeout(() => reject(new Error(`not done in ${seconds} s`)), seconds * 1000).unref())

export function t(name, options, run) {
  if (typeof options === 'function') [options, run] = [{}, options]
  const mine = (turn = turn.then(async () => {
    try {
      const [expected, got] = await Promise.race([
        Promise.resolve(run()).then((pair) => Promise.all(pair)),
        late(5 * (options.timeout || t.timeout)), // a loaded machine is no fault
      ])
      if (expected !== got) throw new Error(`${expected} != ${got}`)
      console.log(`ok ${name}`)
    } catch (why) {
      console.log(`failed ${name}`)
      console.log(`  ${why?.stack ?? why}`)
    }
    if (mine === last) setTimeout(() => process.exit(0), 100)
  }))
  last = mine
}
t.timeout = 20
export const nt = () => {}
export const ot = t

process.on('unhandledRejection', (why) => console.log(`  unhandled: ${why}`))
