// The checks of go-sql-driver/mysql: text protocol, and prepared statements where InterpolateParams is off.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

const clients = 8

var (
	given   = func(name string) string { return os.Getenv("DRIVER_" + name) }
	sharded = given("SHARDED") == "1"
	names   = []string{"one", "two", "three"}
	ctx     = context.Background()
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func same(found, wanted any) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("%.300v instead of %.300v", found, wanted))
	}
}

func fails(number uint16, err error) string {
	var why *mysql.MySQLError
	if !errors.As(err, &why) || why.Number != number {
		panic(fmt.Sprintf("%v instead of %d", err, number))
	}
	return why.Message
}

// open gives one connection.
func open(database string, change ...func(*mysql.Config)) *sql.Conn {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net = given("USER"), given("PASSWORD"), "tcp"
	config.Addr, config.DBName, config.ParseTime = "127.0.0.1:"+given("PORT"), database, true
	for _, each := range change {
		each(config)
	}
	connector, err := mysql.NewConnector(config)
	must(err)
	pool := sql.OpenDB(connector)
	pool.SetMaxIdleConns(0)
	made, err := pool.Conn(ctx)
	must(err)
	return made
}

func run(a *sql.Conn, text string, values ...any) sql.Result {
	done, err := a.ExecContext(ctx, text, values...)
	must(err)
	return done
}

func one[T any](a *sql.Conn, text string, values ...any) (out T) {
	must(a.QueryRowContext(ctx, text, values...).Scan(&out))
	return out
}

func checkConnect() {
	a := open("app")
	defer a.Close()
	same(one[string](a, "SELECT DATABASE()"), "app")
	defer func() { fails(1045, recover().(error)) }()
	open("app", func(config *mysql.Config) { config.Passwd = "wrong" })
}

func checkTLS() {
	pem, err := os.ReadFile(given("CA"))
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	a := open("app", func(config *mysql.Config) { config.TLS = &tls.Config{RootCAs: roots, ServerName: "localhost"} })
	defer a.Close()
	same(one[int](a, "SELECT COUNT(*) FROM things"), 3)
}

func checkPrepared() {
	a := open("app")
	defer a.Close()
	statement, err := a.PrepareContext(ctx, "SELECT name FROM things WHERE id = ?")
	must(err)
	defer statement.Close()
	for i := range 9 {
		var name string
		must(statement.QueryRow(i%3 + 1).Scan(&name))
		same(name, names[i%3])
	}
}

func checkTransactions() {
	a, b := open("app"), open("app")
	defer a.Close()
	defer b.Close()
	work, err := a.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	must(err)
	_, err = work.Exec("UPDATE things SET name = ? WHERE id = 1", "changed")
	must(err)
	same(one[string](b, "SELECT name FROM things WHERE id = 1"), "one")
	must(work.Rollback())
	same(one[string](a, "SELECT name FROM things WHERE id = ?", 1), "one")
	work, err = a.BeginTx(ctx, nil)
	must(err)
	made, err := work.Exec("INSERT INTO notes (text) VALUES (?)", "kept")
	must(err)
	must(work.Commit())
	number, err := made.LastInsertId()
	must(err)
	same(one[string](a, "SELECT text FROM notes WHERE id = ?", number), "kept")
	run(a, "DELETE FROM notes")
}

func checkErrors() {
	a := open("app")
	defer a.Close()
	_, err := a.ExecContext(ctx, "SELECT * FROM nowhere")
	fails(1146, err)
	_, err = a.ExecContext(ctx, "INSERT INTO things VALUES (?, ?)", 1, "again")
	fails(1062, err)
	same(one[int](a, "SELECT 7"), 7)
}

func checkValues() {
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	when := time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)
	text := "höhe \U0001f600'\"\\%"
	for _, interpolated := range []bool{false, true} {
		a := open("app", func(config *mysql.Config) { config.InterpolateParams = interpolated })
		run(a, "DELETE FROM kinds")
		run(a, "INSERT INTO kinds (i, u, d, f, t, x, dt, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", -2147483648, uint64(1<<64-1), "-1234567890.000123", 0.1,
			text, bytes, when, nil)
		var (
			i       int
			u       uint64
			d, t    string
			f       float64
			x       []byte
			dt      time.Time
			nothing *int
		)
		must(a.QueryRowContext(ctx, "SELECT i, u, d, f, t, x, dt, n FROM kinds WHERE ? = ?", 1, 1).Scan(&i, &u, &d, &f, &t, &x, &dt, &nothing))
		same([]any{i, u, d, f, t, x, dt, nothing == nil}, []any{-2147483648, uint64(1<<64 - 1), "-1234567890.000123", 0.1, text, bytes, when, true})
		a.Close()
	}
}

func checkSharing() {
	var all sync.WaitGroup
	wrong := make(chan any, clients)
	for number := range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			defer func() {
				if why := recover(); why != nil {
					wrong <- why
				}
			}()
			a := open("app")
			defer a.Close()
			run(a, fmt.Sprintf("SET time_zone = '+0%d:00'", number))
			for range 20 {
				var zone, name string
				must(a.QueryRowContext(ctx, "SELECT @@time_zone, name FROM things WHERE id = ?", number%3+1).Scan(&zone, &name))
				same([]string{zone, name}, []string{fmt.Sprintf("+0%d:00", number), names[number%3]})
			}
		}()
	}
	all.Wait()
	if len(wrong) > 0 {
		panic(<-wrong)
	}
}

func checkSession() {
	a := open("app")
	defer a.Close()
	run(a, "SET @a = 5")
	same(one[int](a, "SELECT @a + 1"), 6)
	run(a, "CREATE TEMPORARY TABLE mine (i INT)")
	run(a, "INSERT INTO mine VALUES (?), (?)", 1, 2)
	same(one[int](a, "SELECT COUNT(*) FROM mine"), 2)
	run(a, "DROP TEMPORARY TABLE mine")
}

func checkShards() {
	a := open("shop")
	defer a.Close()
	for id := 501; id < 509; id++ {
		run(a, "DELETE FROM users WHERE id = ?", id)
		run(a, "INSERT INTO users VALUES (?, ?)", id, fmt.Sprintf("n%d", id))
		same(one[string](a, "SELECT name FROM users WHERE id = ?", id), fmt.Sprintf("n%d", id))
		same(one[string](a, fmt.Sprintf("SELECT name FROM users WHERE id = %d", id)), fmt.Sprintf("n%d", id))
	}
	if sharded {
		_, err := a.ExecContext(ctx, "SELECT COUNT(*) FROM users")
		if !strings.Contains(fails(1235, err), "hint") {
			panic("no hint")
		}
	}
}

func check(name string, work func()) {
	ended := make(chan string, 1)
	go func() {
		defer func() {
			if why := recover(); why != nil {
				ended <- fmt.Sprint(why)
			}
		}()
		work()
		ended <- ""
	}()
	why := "still running after 60 s"
	select {
	case why = <-ended:
	case <-time.After(60 * time.Second):
	}
	if why == "" {
		fmt.Println("ok " + name)
	} else {
		fmt.Println("not ok " + name + ": " + strings.ReplaceAll(why, "\n", " "))
	}
}

func main() {
	check("connect", checkConnect)
	check("tls", checkTLS)
	check("prepared", checkPrepared)
	check("transactions", checkTransactions)
	check("errors", checkErrors)
	check("values", checkValues)
	check("sharing", checkSharing)
	check("session", checkSession)
	check("shards", checkShards)
}
