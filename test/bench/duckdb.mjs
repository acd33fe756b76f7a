// DuckDB on one thread, asked beside PostgreSQL: node duckdb.mjs <folder> <numbers.csv> <lists.csv> < queries. A query is a line, answered by
// "milliseconds <tab> members".
import { createInterface } from "node:readline"
import { createRequire } from "node:module"

const [folder, numbers, lists] = process.argv.slice(2)
const { DuckDBInstance } = createRequire(folder + "/")("@duckdb/node-api")
const connection = await (await DuckDBInstance.create(process.env.DUCKDB_FILE ?? folder + "/bench.duckdb", { threads: "1" })).connect()
await connection.run("SET TimeZone = 'UTC'")
await connection.run(`CREATE OR REPLACE TABLE numbers_plain AS SELECT * FROM read_csv('${numbers}', header = false, auto_detect = false, columns = {id: 'BIGINT',
    country: 'VARCHAR', carrier: 'VARCHAR', sent_count: 'INTEGER', click_count: 'INTEGER', last_sent_at: 'TIMESTAMPTZ', last_clicked_at: 'TIMESTAMPTZ',
    created_at: 'TIMESTAMPTZ'})`)
await connection.run(`CREATE OR REPLACE TABLE list_members AS SELECT * FROM read_csv('${lists}', header = false, auto_detect = false,
    columns = {list_id: 'INTEGER', number_id: 'BIGINT'})`)
await connection.run("CHECKPOINT")
for await (const query of createInterface({ input: process.stdin })) {
    let members
    const ask = async () => (members = (await connection.runAndReadAll(query)).getRows()[0][0])
    await ask()
    const times = []
    while (times.length < 5 && times.reduce((sum, ms) => sum + ms, 0) < 100) {
        const began = performance.now()
        await ask()
        times.push(performance.now() - began)
    }
    times.sort((a, b) => a - b)
    console.log(`${times[times.length >> 1]}\t${members}`)
}
process.exit(0)
