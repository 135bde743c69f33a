// What the checks of pgx are written with: where to connect, and how a check is reported.
package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	user     = os.Getenv("DRIVER_USER")
	password = os.Getenv("DRIVER_PASSWORD")
)

const clients = 8

// must ends the check when something has failed.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func got[T any](value T, err error) T {
	must(err)
	return value
}

func same(found, wanted any) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("%.300v instead of %.300v", found, wanted))
	}
}

// fails answers the server's error, which err must be, with that SQLSTATE.
func fails(state string, err error) *pgconn.PgError {
	var why *pgconn.PgError
	if !errors.As(err, &why) {
		panic(fmt.Sprintf("no %s: %v", state, err))
	}
	if why.Code != state {
		panic(fmt.Sprintf("%s instead of %s: %s", why.Code, state, why.Message))
	}
	return why
}

func failed[T any](state string, _ T, err error) *pgconn.PgError { return fails(state, err) }

// run reports a check; it has 120 seconds.
func run(name string, check func()) {
	ended := make(chan string, 1)
	go func() {
		defer func() {
			if why := recover(); why != nil {
				ended <- fmt.Sprintf("%v (%s)", why, place())
			}
		}()
		check()
		ended <- ""
	}()
	why := "still running after 120 s"
	select {
	case why = <-ended:
	case <-time.After(120 * time.Second):
	}
	if why == "" {
		fmt.Println("ok " + name)
	} else {
		fmt.Println("not ok " + name + ": " + strings.ReplaceAll(why, "\n", " "))
	}
}

// place is the line of checks.go that the panic under way comes from.
func place() string {
	callers := make([]uintptr, 50)
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.File, "checks.go") {
			return fmt.Sprintf("checks.go:%d", frame.Line)
		}
		if !more {
			return ""
		}
	}
}
