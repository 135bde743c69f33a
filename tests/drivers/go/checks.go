// pgx: its five ways to run a query, batches, pipelines, CopyFrom, cancel by context, its pool.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const me = "pgx"

var background = context.Background()

var modes = []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}

func where(database, more string) string {
	return fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s connect_timeout=10 %s",
		os.Getenv("DRIVER_HOST"), os.Getenv("DRIVER_PORT"), user, password, database, more)
}

func with(database, more string, work func(*pgx.Conn)) {
	client := got(pgx.Connect(background, where(database, "sslmode=disable "+more)))
	defer client.Close(background)
	work(client)
}

type asker interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}

func one[T any](from asker, sql string, values ...any) (found T) {
	must(from.QueryRow(background, sql, values...).Scan(&found))
	return found
}

func all[T any](client *pgx.Conn, sql string, values ...any) []T {
	return got(pgx.CollectRows(got(client.Query(background, sql, values...)), pgx.RowTo[T]))
}

func do(client *pgx.Conn, sql string, values ...any) pgconn.CommandTag {
	return got(client.Exec(background, sql, values...))
}

func failing(client *pgx.Conn, state, sql string, values ...any) *pgconn.PgError {
	_, err := client.Exec(background, sql, values...)
	return fails(state, err)
}

func connect() {
	with("app", "application_name=drivers options='-c work_mem=77MB'", func(client *pgx.Conn) {
		same(one[string](client, "SELECT current_user::text || '@' || current_database()"), user+"@app")
		same(one[string](client, "SHOW application_name"), "drivers")
		same(one[string](client, "SHOW work_mem"), "77MB")
		must(client.Ping(background))
	})
	_, err := pgx.Connect(background, strings.Replace(where("app", "sslmode=disable"), password, "wrong", 1))
	fails("28P01", err)
}

func overTLS() {
	for _, more := range []string{"", " channel_binding=require"} {
		with("app", "sslmode=verify-full sslrootcert="+os.Getenv("DRIVER_CA")+more, func(client *pgx.Conn) {
			same(len(one[string](client, "SELECT $1::text", strings.Repeat("x", 1000000))), 1000000)
		})
	}
}

func prepared() {
	for _, mode := range modes {
		with("app", "", func(client *pgx.Conn) {
			for i := range 100 {
				same(one[int](client, "SELECT $1::int4 + 1", mode, i), i+1)
				same(one[string](client, "SELECT $1::text", mode, strconv.Itoa(i)), strconv.Itoa(i))
			}
		})
	}
	with("app", "statement_cache_capacity=20", func(client *pgx.Conn) {
		for i := range 200 { // more texts than the driver keeps
			same(one[int](client, fmt.Sprintf("SELECT $1::int4 * %d", i%50), 3), 3*(i%50))
		}
		made := got(client.Prepare(background, "named", "SELECT id, label FROM things WHERE driver = $1 AND id = $2"))
		same([]any{made.ParamOIDs, len(made.Fields)}, []any{[]uint32{pgtype.TextOID, pgtype.Int4OID}, 2})
		do(client, "named", me, 1)
		must(client.Deallocate(background, "named"))
		got(client.Prepare(background, "named", "SELECT $1::int4 - 1"))
		same(one[int](client, "named", 8), 7)
		must(client.DeallocateAll(background))
		same(one[int](client, "SELECT $1::int4 * 1", 3), 3)
	})
}

func transactions() {
	with("app", "", func(client *pgx.Conn) {
		count := func() int { return one[int](client, "SELECT count(*) FROM things WHERE driver = $1", me) }
		do(client, "DELETE FROM things WHERE driver = $1", me)
		must(pgx.BeginFunc(background, client, func(outer pgx.Tx) error {
			got(outer.Exec(background, "INSERT INTO things VALUES ($1, 1, 'kept')", me))
			fails("23505", pgx.BeginFunc(background, outer, func(inner pgx.Tx) error {
				_, err := inner.Exec(background, "INSERT INTO things VALUES ($1, 1, 'twice')", me)
				failed("25P02", "", inner.QueryRow(background, "SELECT 1").Scan(new(int)))
				return err
			}))
			same(count(), 1)
			return nil
		}))
		lost := got(client.BeginTx(background, pgx.TxOptions{IsoLevel: pgx.Serializable}))
		same(one[string](lost, "SHOW transaction_isolation"), "serializable")
		got(lost.Exec(background, "INSERT INTO things VALUES ($1, 2, 'lost')", me))
		must(lost.Rollback(background))
		reading := got(client.BeginTx(background, pgx.TxOptions{AccessMode: pgx.ReadOnly}))
		failing(client, "25006", "DELETE FROM things WHERE driver = $1", me)
		if err := reading.Commit(background); err != pgx.ErrTxCommitRollback {
			panic(fmt.Sprint("the commit of a failed transaction: ", err))
		}
		same(count(), 1)
		must(pgx.BeginFunc(background, client, func(pgx.Tx) error { // a cursor of SQL
			do(client, "DECLARE c CURSOR FOR SELECT generate_series(1, 250)")
			seen := all[int](client, "FETCH 3 FROM c")
			same(append(seen, all[int](client, "FETCH 2 FROM c")...), []int{1, 2, 3, 4, 5})
			return nil
		}))
	})
}

func errorsAndNotices() {
	settings := got(pgx.ParseConfig(where("app", "sslmode=disable")))
	var heard []string
	settings.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { heard = append(heard, notice.Message) }
	client := got(pgx.ConnectConfig(background, settings))
	defer client.Close(background)
	do(client, "INSERT INTO things VALUES ($1, 10, 'x') ON CONFLICT DO NOTHING", me)
	for _, mode := range append(modes, modes...) {
		failing(client, "42P01", "SELECT * FROM nowhere", mode)
		same(failing(client, "42601", "SELEC 1", mode).Position, int32(1))
		failing(client, "22012", "SELECT 1 / $1::int4", mode, 0)
		why := failing(client, "23505", "INSERT INTO things VALUES ($1, 10, 'x')", mode, me)
		same([]string{why.Severity, why.SchemaName, why.TableName, why.ConstraintName, why.Detail},
			[]string{"ERROR", "public", "things", "things_pkey", "Key (driver, id)=(pgx, 10) already exists."})
		same(failing(client, "23502", "INSERT INTO things VALUES ($1, NULL, 'x')", mode, me).ColumnName, "id")
		same(one[int](client, "SELECT $1::int4", mode, 1), 1)
	}
	do(client, "DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
	same(heard, []string{"heard"})
}

func copying() {
	with("app", "", func(client *pgx.Conn) {
		rows := func(from, to int) pgx.CopyFromSource {
			return pgx.CopyFromSlice(to-from, func(i int) ([]any, error) { return []any{me, from + i, fmt.Sprintf("row %d", from+i)}, nil })
		}
		into, columns := pgx.Identifier{"things"}, []string{"driver", "id", "label"}
		do(client, "DELETE FROM things WHERE driver = $1", me)
		same(got(client.CopyFrom(background, into, columns, rows(0, 20000))), int64(20000))
		_, err := client.CopyFrom(background, into, columns, rows(0, 20000))
		fails("23505", err)
		_, err = client.CopyFrom(background, into, columns, pgx.CopyFromFunc(func() ([]any, error) { return nil, fmt.Errorf("given up") }))
		if err == nil || !strings.Contains(err.Error(), "given up") {
			panic(fmt.Sprint("a COPY that its source gives up: ", err))
		}
		_, err = client.CopyFrom(background, pgx.Identifier{"nowhere"}, columns, rows(0, 1))
		fails("42P01", err)
		same(one[int](client, "SELECT count(*) FROM things WHERE driver = $1", me), 20000)
		var text bytes.Buffer
		same(got(client.PgConn().CopyTo(background, &text, "COPY (SELECT * FROM things WHERE driver = 'pgx' ORDER BY id) TO STDOUT")).RowsAffected(), int64(20000))
		do(client, "DELETE FROM things WHERE driver = $1", me)
		same(got(client.PgConn().CopyFrom(background, &text, "COPY things FROM STDIN")).RowsAffected(), int64(20000))
		same(one[string](client, "SELECT label FROM things WHERE driver = $1 AND id = 12345", me), "row 12345")
	})
}

func cancel() {
	with("app", "", func(client *pgx.Conn) {
		do(client, "INSERT INTO things VALUES ($1, 1, 'x') ON CONFLICT DO NOTHING", me)
		for _, sql := range []string{"SELECT pg_sleep(30)", "SELECT pg_sleep(30) FROM things FOR UPDATE"} {
			begun := time.Now()
			time.AfterFunc(400*time.Millisecond, func() { client.PgConn().CancelRequest(background) })
			failing(client, "57014", sql)
			same(time.Since(begun) < 20*time.Second, true)
			same(one[int](client, "SELECT $1::int4", 5), 5)
		}
	})
	// The end of a context closes the driver's connection; what ran for it ends too.
	with("app", "", func(client *pgx.Conn) {
		limited, free := context.WithTimeout(background, 300*time.Millisecond)
		defer free()
		if _, err := client.Exec(limited, "SELECT pg_sleep(30), 'left by pgx'"); !pgconn.Timeout(err) || !client.IsClosed() {
			panic(fmt.Sprint("after the context: ", err))
		}
	})
	with("app", "", func(client *pgx.Conn) { same(one[int](client, "SELECT 6"), 6) })
}

type row struct {
	Numbers []*int32
	Names   []string
	Key     [16]byte
	At      time.Time
	Local   time.Time
	Amount  pgtype.Numeric
	Bytes   []byte
	Doc     map[string]any
	Flag    bool
	Ratio   float64
	Big     int64
}

func values() {
	first, third := int32(1), int32(-3)
	blob := make([]byte, 256)
	for i := range blob {
		blob[i] = byte(i)
	}
	var amount pgtype.Numeric
	must(amount.Scan("-12345678901234567890.000123"))
	wanted := row{[]*int32{&first, nil, &third}, []string{"a", "b\"c", "d,e", "\\", ""}, [16]byte{0, 0x11, 0x22, 0x33, 15: 0xff},
		time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC), time.Date(1999, 12, 31, 1, 2, 3, 0, time.UTC), amount, blob,
		map[string]any{"a": []any{1.0, 2.5, nil, "ä\"\\"}, "b": map[string]any{"c": true}}, true, 0.1, -1 << 63}
	const columns = "numbers, names, key, at, local, amount, bytes, document, flag, ratio, big"
	with("app", "", func(client *pgx.Conn) {
		for _, mode := range modes {
			do(client, "DELETE FROM typed WHERE driver = $1", mode, me)
			do(client, "INSERT INTO typed (driver, "+columns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", mode, me,
				wanted.Numbers, wanted.Names, pgtype.UUID{Bytes: wanted.Key, Valid: true}, wanted.At, wanted.Local, wanted.Amount, wanted.Bytes,
				string(got(json.Marshal(wanted.Doc))), wanted.Flag, wanted.Ratio, wanted.Big)
			for range 2 {
				found := got(pgx.CollectExactlyOneRow(got(client.Query(background, "SELECT "+columns+" FROM typed WHERE driver = $1", mode, me)), pgx.RowToStructByPos[row]))
				found.At = found.At.UTC()
				same(found, wanted)
			}
		}
		// A type of the database's own, read from pg_type
		do(client, "DROP TYPE IF EXISTS mood_pgx")
		do(client, "CREATE TYPE mood_pgx AS ENUM ('sad', 'glad')")
		client.TypeMap().RegisterType(got(client.LoadType(background, "mood_pgx")))
		client.TypeMap().RegisterType(got(client.LoadType(background, "_mood_pgx")))
		same(one[[]string](client, "SELECT $1::mood_pgx[]", []string{"glad", "sad"}), []string{"glad", "sad"})
		do(client, "DROP TYPE mood_pgx")
	})
}

func sharing() {
	pool := got(pgxpool.New(background, where("app", fmt.Sprintf("sslmode=disable pool_max_conns=%d", clients))))
	defer pool.Close()
	var pids sync.Map
	problems := make(chan any, clients)
	for number := range clients {
		go func() {
			defer func() { problems <- recover() }()
			for i := range 20 {
				must(pgx.BeginFunc(background, pool, func(tx pgx.Tx) error {
					pids.Store(one[int](tx, "SELECT pg_backend_pid()"), true)
					got(tx.Exec(background, fmt.Sprintf("SET LOCAL work_mem = '%dMB'", 64+number)))
					same(one[string](tx, "SELECT current_setting('work_mem')"), fmt.Sprintf("%dMB", 64+number))
					return nil
				}))
				same(one[string](pool, "SELECT $1::text", fmt.Sprint(number, i)), fmt.Sprint(number, i))
			}
		}()
	}
	for range clients {
		if why := <-problems; why != nil {
			panic(why)
		}
	}
	count := 0
	pids.Range(func(any, any) bool { count++; return true })
	if most := got(strconv.Atoi(os.Getenv("DRIVER_POOL_SIZE"))); count < 1 || count > most {
		panic(fmt.Sprint(count, " server connections"))
	}
}

func listen() {
	for _, database := range []string{"app", "shop"} {
		with(database, "", func(client *pgx.Conn) {
			do(client, "LISTEN drivers")
			with(database, "", func(other *pgx.Conn) { do(other, "SELECT pg_notify('drivers', $1)", "told") })
			limited, free := context.WithTimeout(background, 10*time.Second)
			defer free()
			same(got(client.WaitForNotification(limited)).Payload, "told")
			do(client, "UNLISTEN drivers")
		})
	}
}

func batches() {
	with("app", "", func(client *pgx.Conn) {
		do(client, "DELETE FROM things WHERE driver = $1", me)
		for _, mode := range modes {
			client.Config().DefaultQueryExecMode = mode
			batch := &pgx.Batch{}
			for i := range 200 {
				batch.Queue("INSERT INTO things VALUES ($1, $2, 'x')", me, i)
				batch.Queue("SELECT $1::int4 + 1", i)
			}
			batch.Queue("DELETE FROM things WHERE driver = $1", me)
			results := client.SendBatch(background, batch)
			for i := range 200 {
				same(got(results.Exec()).RowsAffected(), int64(1))
				same(one[int](rowOf{results}, ""), i+1)
			}
			same(got(results.Exec()).RowsAffected(), int64(200))
			must(results.Close())
			// All or nothing
			bad := &pgx.Batch{}
			for _, id := range []int{1, 2, 1, 3} {
				bad.Queue("INSERT INTO things VALUES ($1, $2, 'x')", me, id)
			}
			fails("23505", client.SendBatch(background, bad).Close())
			same(one[int](client, "SELECT count(*) FROM things WHERE driver = $1", me), 0)
		}
	})
	with("app", "", func(client *pgx.Conn) {
		pipeline := client.PgConn().StartPipeline(background)
		pipeline.SendPrepare("double", "SELECT $1::int4 * 2", nil)
		pipeline.SendFlushRequest()
		must(pipeline.Flush())
		same(got(pipeline.GetResults()).(*pgconn.StatementDescription).ParamOIDs, []uint32{pgtype.Int4OID})
		for i := range 50 {
			pipeline.SendQueryPrepared("double", [][]byte{[]byte(strconv.Itoa(i))}, nil, nil)
			pipeline.SendQueryParams("SELECT 100 / $1::int4", [][]byte{[]byte(strconv.Itoa(i % 10))}, nil, nil, nil)
			must(pipeline.Sync())
		}
		for i := range 50 {
			same(string(got(pipeline.GetResults()).(*pgconn.ResultReader).Read().Rows[0][0]), strconv.Itoa(2*i))
			result, err := pipeline.GetResults()
			if err == nil {
				err = result.(*pgconn.ResultReader).Read().Err
			}
			if i%10 == 0 {
				fails("22012", err)
			} else {
				must(err)
			}
			_ = got(pipeline.GetResults()).(*pgconn.PipelineSync)
		}
		must(pipeline.Close())
		same(one[int](client, "SELECT 1"), 1)
	})
}

type rowOf struct{ results pgx.BatchResults }

func (from rowOf) QueryRow(context.Context, string, ...any) pgx.Row { return from.results.QueryRow() }

func shards() {
	users := make([]int64, 40)
	for i := range users {
		users[i] = int64(6000 + i)
	}
	with("shop", "", func(client *pgx.Conn) {
		for _, mode := range modes {
			for _, id := range users {
				do(client, "DELETE FROM orders WHERE user_id = $1", mode, id)
				do(client, "INSERT INTO orders (id, user_id, note) VALUES (1, $1, $2)", mode, id, me)
			}
			for _, id := range users {
				same(one[string](client, "SELECT note FROM orders WHERE user_id = $1", mode, id), me)
				same(one[int64](client, "SELECT count(DISTINCT user_id) FROM orders WHERE note = $1", mode, me), int64(len(users)))
			}
			same(do(client, "UPDATE orders SET amount = 1 WHERE note = $1", mode, me).RowsAffected(), int64(len(users)))
			same(one[int64](client, "SELECT sum(amount)::int8 FROM orders WHERE note = $1", mode, me), int64(len(users)))
			same(do(client, "INSERT INTO orders (id, user_id) VALUES (2, $1), (2, $2), (2, $3), (2, $4), (2, $5), (2, $6)", mode,
				users[0], users[1], users[2], users[3], users[4], users[5]).RowsAffected(), int64(6))
			same(do(client, "DELETE FROM orders WHERE id = 2", mode).RowsAffected(), int64(6))
			failing(client, "23505", "INSERT INTO orders (id, user_id) VALUES (2, $1), (2, $2), (2, $3), (1, $4)", mode, users[0], users[1], users[2], users[3])
			same(one[int64](client, "SELECT count(*) FROM orders WHERE id = 2", mode), int64(0))
			same(failing(client, "23505", "INSERT INTO orders (id, user_id) VALUES (1, $1)", mode, users[3]).ConstraintName, "orders_pkey")
		}
		must(pgx.BeginFunc(background, client, func(tx pgx.Tx) error {
			do(client, "UPDATE orders SET note = 'changed' WHERE user_id = $1", users[1])
			same(one[string](tx, "SELECT note FROM orders WHERE user_id = $1", users[1]), "changed")
			return nil
		}))
		batch := &pgx.Batch{}
		for i := range 20 {
			batch.Queue("INSERT INTO orders (id, user_id) VALUES ($1, $2)", 10+i, users[5])
		}
		must(client.SendBatch(background, batch).Close())
		same(all[int](client, "SELECT count(*) FROM orders WHERE user_id = $1", users[5]), []int{21})
		sum := func() int64 { return one[int64](client, "SELECT sum(amount)::int8 FROM orders WHERE note = 'sum'") }
		several := &pgx.Batch{} // one Sync: one transaction, of all the shards it names
		for _, id := range users {
			several.Queue("UPDATE orders SET amount = 2, note = 'sum' WHERE user_id = $1 AND id = 1", id)
			several.Queue("SELECT user_id FROM orders WHERE user_id = $1 AND id = 1", id)
		}
		results := client.SendBatch(background, several)
		for _, id := range users {
			same(got(results.Exec()).RowsAffected(), int64(1))
			same(one[int64](rowOf{results}, ""), id)
		}
		must(results.Close())
		same(sum(), int64(2*len(users)))
		bad := &pgx.Batch{}
		for _, id := range append(users, users[9]) {
			bad.Queue("INSERT INTO orders (id, user_id, amount, note) VALUES (3, $1, 1, 'sum')", id)
		}
		fails("23505", client.SendBatch(background, bad).Close())
		same(sum(), int64(2*len(users)))
		change := func(amount int, last string) error {
			return pgx.BeginFunc(background, client, func(tx pgx.Tx) error {
				for _, id := range users {
					same(got(tx.Exec(background, "UPDATE orders SET amount = $1 WHERE user_id = $2 AND id = 1", amount, id)).RowsAffected(), int64(1))
				}
				same(one[int64](tx, "SELECT sum(amount)::int8 FROM orders WHERE note = 'sum'"), int64(amount*len(users)))
				_, err := tx.Exec(background, last)
				return err
			})
		}
		must(change(3, "SELECT 1"))
		fails("23505", change(4, "INSERT INTO orders (id, user_id) VALUES (1, 6009)"))
		same(sum(), int64(3*len(users)))
		pipeline := client.PgConn().StartPipeline(background) // a Sync each: any shards
		for _, id := range users {
			pipeline.SendQueryParams("SELECT user_id FROM orders WHERE user_id = $1 LIMIT 1", [][]byte{[]byte(fmt.Sprint(id))}, nil, nil, nil)
			must(pipeline.Sync())
		}
		var found []int64
		for range users {
			found = append(found, got(strconv.ParseInt(string(got(pipeline.GetResults()).(*pgconn.ResultReader).Read().Rows[0][0]), 10, 64)))
			got(pipeline.GetResults())
		}
		must(pipeline.Close())
		same(slices.Equal(found, users), true)
	})
}

func main() {
	run("connect", connect)
	run("tls", overTLS)
	run("prepared", prepared)
	run("transactions", transactions)
	run("errors", errorsAndNotices)
	run("copy", copying)
	run("cancel", cancel)
	run("values", values)
	run("sharing", sharing)
	run("listen", listen)
	run("pipeline", batches)
	run("shards", shards)
}
