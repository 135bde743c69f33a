use std::collections::HashSet;
use std::env::var;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{join_all, poll_fn};
use futures_util::{SinkExt, TryStreamExt};
use openssl::ssl::{SslConnector, SslMethod, SslVersion};
use postgres_openssl::MakeTlsConnector;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::config::{ChannelBinding, Config, SslMode};
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Error, IsolationLevel, NoTls, SimpleQueryMessage};

const ME: &str = "tokio-postgres";
const CLIENTS: usize = 8;
type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

fn given(name: &str) -> String {
    var(format!("DRIVER_{name}")).unwrap()
}

fn settings(database: &str) -> Config {
    let mut made = Config::new();
    made.host(given("HOST")).port(given("PORT").parse().unwrap()).user(given("USER")).password(given("PASSWORD"));
    made.dbname(database).connect_timeout(Duration::from_secs(10)).ssl_mode(SslMode::Disable);
    made
}

/// A client, and what comes for it of itself.
async fn talking(database: &str) -> (Client, UnboundedReceiver<AsyncMessage>) {
    let (client, mut connection) = settings(database).connect(NoTls).await.unwrap();
    let (tell, told) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            let _ = tell.send(message);
        }
    });
    (client, told)
}

async fn connected(database: &str) -> Client {
    talking(database).await.0
}

async fn one<T: FromSqlOwned>(client: &Client, sql: &str, values: Values<'_>) -> T {
    client.query_one(sql, values).await.unwrap().get(0)
}

async fn count(client: &Client) -> i64 {
    one(client, "SELECT count(*) FROM things WHERE driver = $1", &[&ME]).await
}

/// The server's error, which the result must be, with that SQLSTATE.
#[track_caller]
fn fails<T>(state: &str, result: Result<T, Error>) -> DbError {
    let error = result.err().unwrap_or_else(|| panic!("no {state}"));
    let why = error.as_db_error().unwrap_or_else(|| panic!("no {state}: {error:?}")).clone();
    assert_eq!(why.code().code(), state, "{why}");
    why
}

pub async fn connect() {
    let (client, connection) =
        settings("app").application_name("drivers").options("-c work_mem=77MB").connect(NoTls).await.unwrap();
    assert!(connection.parameter("server_version").is_some());
    tokio::spawn(connection);
    let who: String = one(&client, "SELECT current_user::text || '@' || current_database()", &[]).await;
    assert_eq!(who, given("USER") + "@app");
    assert_eq!(one::<String>(&client, "SHOW application_name", &[]).await, "drivers");
    assert_eq!(one::<String>(&client, "SHOW work_mem", &[]).await, "77MB");
    client.check_connection().await.unwrap();
    fails("28P01", settings("app").password("wrong").connect(NoTls).await);
}

pub async fn tls() {
    for (binding, version) in
        [(ChannelBinding::Require, SslVersion::TLS1_3), (ChannelBinding::Disable, SslVersion::TLS1_2)]
    {
        let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
        builder.set_ca_file(given("CA")).unwrap();
        builder.set_max_proto_version(Some(version)).unwrap();
        let mut config = settings("app");
        config.ssl_mode(SslMode::Require).channel_binding(binding);
        let (client, connection) = config.connect(MakeTlsConnector::new(builder.build())).await.unwrap();
        tokio::spawn(connection);
        let long = "x".repeat(1_000_000);
        assert!(one::<String>(&client, "SELECT $1::text", &[&long]).await == long);
    }
}

pub async fn prepared() {
    let client = connected("app").await;
    let statement = client.prepare("SELECT $1::int4 + 1, $2::text").await.unwrap();
    assert_eq!(statement.params(), [Type::INT4, Type::TEXT]);
    assert_eq!(statement.columns()[1].type_(), &Type::TEXT);
    for i in 0..200 {
        let row = client.query_one(&statement, &[&i, &i.to_string()]).await.unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, String>(1)), (i + 1, i.to_string()));
        // Each makes a statement of its own, which is closed after it
        assert_eq!(one::<i32>(&client, &format!("SELECT $1::int4 * {}", i % 20), &[&3]).await, 3 * (i % 20));
        let typed = client.query_typed("SELECT $1 - 1", &[(&i, Type::INT4)]).await.unwrap();
        assert_eq!(typed[0].get::<_, i32>(0), i - 1);
    }
    fails("42P01", client.prepare("SELECT * FROM nowhere").await);
    assert_eq!(client.query_one(&statement, &[&1, &"x"]).await.unwrap().get::<_, i32>(0), 2);
}

pub async fn transactions() {
    let mut client = connected("app").await;
    client.execute("DELETE FROM things WHERE driver = $1", &[&ME]).await.unwrap();
    let mut outer = client.transaction().await.unwrap();
    outer.execute("INSERT INTO things VALUES ($1, 1, 'kept')", &[&ME]).await.unwrap();
    let inner = outer.transaction().await.unwrap();
    fails("23505", inner.execute("INSERT INTO things VALUES ($1, 1, 'twice')", &[&ME]).await);
    fails("25P02", inner.query("SELECT 1", &[]).await);
    inner.rollback().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(count(&client).await, 1);

    let lost = client.build_transaction().isolation_level(IsolationLevel::Serializable).start().await.unwrap();
    let level: String = lost.query_one("SHOW transaction_isolation", &[]).await.unwrap().get(0);
    assert_eq!(level, "serializable");
    lost.execute("INSERT INTO things VALUES ($1, 2, 'lost')", &[&ME]).await.unwrap();
    drop(lost); // rolls back
    let reading = client.build_transaction().read_only(true).start().await.unwrap();
    fails("25006", reading.execute("DELETE FROM things WHERE driver = $1", &[&ME]).await);
    reading.rollback().await.unwrap();
    assert_eq!(count(&client).await, 1);

    let portals = client.transaction().await.unwrap();
    let portal = portals.bind("SELECT generate_series(1, $1::int4)", &[&250]).await.unwrap();
    let mut seen: Vec<i32> = Vec::new();
    loop {
        let rows = portals.query_portal(&portal, 20).await.unwrap();
        if rows.is_empty() {
            break;
        }
        seen.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
    }
    assert_eq!(seen, (1..=250).collect::<Vec<_>>());
    portals.commit().await.unwrap();
}

pub async fn errors() {
    let (client, mut told) = talking("app").await;
    client.execute("INSERT INTO things VALUES ($1, 10, 'x') ON CONFLICT DO NOTHING", &[&ME]).await.unwrap();
    for _ in 0..10 {
        fails("42P01", client.query("SELECT * FROM nowhere", &[]).await);
        assert_eq!(fails("42601", client.batch_execute("SELEC 1").await).position(), Some(&ErrorPosition::Original(1)));
        fails("22012", client.query("SELECT 1 / $1::int4", &[&0]).await);
        let why = fails("23505", client.execute("INSERT INTO things VALUES ($1, 10, 'x')", &[&ME]).await);
        assert_eq!((why.severity(), why.schema(), why.table()), ("ERROR", Some("public"), Some("things")));
        assert_eq!(why.constraint(), Some("things_pkey"));
        assert_eq!(why.detail(), Some("Key (driver, id)=(tokio-postgres, 10) already exists."));
        let why = fails("23502", client.execute("INSERT INTO things VALUES ($1, NULL, 'x')", &[&ME]).await);
        assert_eq!(why.column(), Some("id"));
        assert_eq!(one::<i32>(&client, "SELECT $1::int4", &[&1]).await, 1);
    }
    client.batch_execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$").await.unwrap();
    match told.recv().await {
        Some(AsyncMessage::Notice(notice)) => assert_eq!(notice.message(), "heard"),
        other => panic!("{other:?} instead of a notice"),
    }
}

pub async fn copy() {
    let client = connected("app").await;
    let types = [Type::TEXT, Type::INT4, Type::TEXT];
    client.execute("DELETE FROM things WHERE driver = $1", &[&ME]).await.unwrap();
    for wanted in [Ok(20_000), Err("23505")] {
        let sink = client.copy_in("COPY things FROM STDIN BINARY").await.unwrap();
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        let mut written = Ok(());
        for i in 0..20_000 {
            written = writer.as_mut().write(&[&ME, &i, &format!("row {i}")]).await;
            if written.is_err() {
                break; // the server's error is told by finish()
            }
        }
        match wanted {
            Ok(rows) => assert_eq!(writer.finish().await.unwrap(), rows),
            Err(state) => drop(fails(state, written.and(writer.finish().await))),
        }
    }
    let mut given_up = Box::pin(client.copy_in::<_, Bytes>("COPY things FROM STDIN").await.unwrap());
    given_up.send(Bytes::from(format!("{ME}\t90000\tgiven up\n"))).await.unwrap();
    drop(given_up); // CopyFail
    assert_eq!(count(&client).await, 20_000);
    let out = client
        .copy_out("COPY (SELECT * FROM things WHERE driver = 'tokio-postgres' ORDER BY id) TO STDOUT BINARY")
        .await;
    let rows: Vec<_> = BinaryCopyOutStream::new(out.unwrap(), &types).try_collect().await.unwrap();
    assert!(rows.len() == 20_000 && rows.iter().enumerate().all(|(i, row)| row.get::<i32>(1) == i as i32));
    let out = client.copy_out("COPY (SELECT 'a', generate_series(1, 3)) TO STDOUT").await.unwrap();
    let parts: Vec<Bytes> = out.try_collect().await.unwrap();
    assert_eq!(parts.concat(), b"a\t1\na\t2\na\t3\n");
}

pub async fn cancel() {
    let client = connected("app").await;
    client.execute("INSERT INTO things VALUES ($1, 1, 'x') ON CONFLICT DO NOTHING", &[&ME]).await.unwrap();
    for sql in ["SELECT pg_sleep(30)", "SELECT pg_sleep(30) FROM things FOR UPDATE"] {
        let token = client.cancel_token();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(400)).await;
            token.cancel_query(NoTls).await.unwrap();
        });
        let begun = Instant::now();
        fails("57014", client.query(sql, &[]).await);
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(one::<i32>(&client, "SELECT $1::int4", &[&5]).await, 5);
    }
}

pub async fn values() {
    let client = connected("app").await;
    let numbers = vec![Some(1), None, Some(-3)];
    let names: Vec<String> = ["a", "b\"c", "d,e", "\\", ""].map(String::from).into();
    let key = uuid::Uuid::parse_str("00112233-4455-6677-8899-aabbccddeeff").unwrap();
    let at = chrono::DateTime::from_timestamp_micros(1_709_251_199_123_456).unwrap();
    let local = chrono::NaiveDate::from_ymd_opt(1999, 12, 31).unwrap().and_hms_opt(1, 2, 3).unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    let document = serde_json::json!({"a": [1, 2.5, null, "ä\"\\"], "b": {"c": true}});
    let amount = "-12345678901234567890.000123";
    client.execute("DELETE FROM typed WHERE driver = $1", &[&ME]).await.unwrap();
    let add = "INSERT INTO typed VALUES ($1, $2, $3, $4, $5, $6, $7::text::numeric, $8, $9, $10, $11, $12)";
    let given: Values =
        &[&ME, &numbers, &names, &key, &at, &local, &amount, &bytes, &document, &true, &0.1f64, &i64::MIN];
    client.execute(add, given).await.unwrap();
    for _ in 0..3 {
        let row = client.query_one("SELECT *, amount::text FROM typed WHERE driver = $1", &[&ME]).await.unwrap();
        assert_eq!(row.get::<_, Vec<Option<i32>>>("numbers"), numbers);
        assert_eq!(row.get::<_, Vec<String>>("names"), names);
        assert_eq!(row.get::<_, uuid::Uuid>("key"), key);
        assert_eq!(row.get::<_, chrono::DateTime<chrono::Utc>>("at"), at);
        assert_eq!(row.get::<_, chrono::NaiveDateTime>("local"), local);
        assert_eq!(row.get::<_, String>(12), amount);
        assert_eq!(row.get::<_, Vec<u8>>("bytes"), bytes);
        assert_eq!(row.get::<_, serde_json::Value>("document"), document);
        assert_eq!((row.get("flag"), row.get("ratio"), row.get("big")), (true, 0.1f64, i64::MIN));
    }
    // A type of the database's own: the driver reads pg_type with statements of its own
    client
        .batch_execute("DROP TYPE IF EXISTS mood_tokio; CREATE TYPE mood_tokio AS ENUM ('sad', 'glad')")
        .await
        .unwrap();
    let row = client.query_one("SELECT 'glad'::mood_tokio, ARRAY['sad']::mood_tokio[]", &[]).await.unwrap();
    assert_eq!(row.columns()[0].type_().name(), "mood_tokio");
    client.batch_execute("DROP TYPE mood_tokio").await.unwrap();
}

pub async fn sharing() {
    let work = (0..CLIENTS).map(|number| {
        tokio::spawn(async move {
            let mut pids = HashSet::new();
            let mut client = connected("app").await;
            let statement = client.prepare("SELECT $1::text").await.unwrap();
            for i in 0..20 {
                let inside = client.transaction().await.unwrap();
                pids.insert(inside.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0));
                inside.batch_execute(&format!("SET LOCAL work_mem = '{}MB'", 64 + number)).await.unwrap();
                let row = inside.query_one("SELECT current_setting('work_mem')", &[]).await.unwrap();
                assert_eq!(row.get::<_, String>(0), format!("{}MB", 64 + number));
                inside.commit().await.unwrap();
                let own = format!("{number}.{i}");
                assert_eq!(client.query_one(&statement, &[&own]).await.unwrap().get::<_, String>(0), own);
            }
            pids
        })
    });
    let pids: HashSet<i32> = join_all(work).await.into_iter().flat_map(|each| each.expect("a client failed")).collect();
    assert!(!pids.is_empty() && pids.len() <= given("POOL_SIZE").parse().unwrap(), "{} server connections", pids.len());
}

pub async fn listen() {
    for database in ["app", "shop"] {
        let (client, mut told) = talking(database).await;
        client.batch_execute("LISTEN drivers").await.unwrap();
        let other = connected(database).await;
        other.query("SELECT pg_notify('drivers', $1)", &[&"told"]).await.unwrap();
        match tokio::time::timeout(Duration::from_secs(10), told.recv()).await {
            Ok(Some(AsyncMessage::Notification(what))) => assert_eq!(what.payload(), "told"),
            other => panic!("{other:?} instead of a notification"),
        }
        client.batch_execute("UNLISTEN drivers").await.unwrap();
    }
}

/// What is awaited together is sent without waiting for answers, each statement with its own Sync.
pub async fn pipeline() {
    let client = connected("app").await;
    client.execute("DELETE FROM things WHERE driver = $1", &[&ME]).await.unwrap();
    let statement = client.prepare("SELECT 100 / $1::int4").await.unwrap();
    let given: Vec<i32> = (0..300).map(|i| i % 10).collect();
    let rows = join_all(given.iter().map(|i| async { client.query_one(&statement, &[i]).await })).await;
    for (i, row) in given.iter().zip(rows) {
        match i {
            0 => drop(fails("22012", row)),
            _ => assert_eq!(row.unwrap().get::<_, i32>(0), 100 / i),
        }
    }
    let ids: Vec<i32> = (0..60).map(|i| i % 40).collect();
    let ends =
        join_all(ids.iter().map(|i| client.execute("INSERT INTO things VALUES ($1, $2, 'x')", slice(&[&ME, i])))).await;
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 40);
    for end in ends.into_iter().filter(Result::is_err) {
        fails("23505", end);
    }
    let simple =
        client.simple_query("SELECT 1; SELECT 2; UPDATE things SET label = 'y' WHERE driver = 'tokio-postgres'");
    let tags: Vec<u64> = simple
        .await
        .unwrap()
        .iter()
        .filter_map(|each| match each {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        })
        .collect();
    assert_eq!(tags, [1, 1, 40]);
}

/// Parameters that live as long as a future that waits to be joined.
fn slice<'a>(values: &[&'a (dyn ToSql + Sync); 2]) -> &'a [&'a (dyn ToSql + Sync)] {
    Box::leak(Box::new(*values))
}

pub async fn shards() {
    let users: Vec<i64> = (7000..7040).collect();
    let mut client = connected("shop").await;
    let read = client.prepare("SELECT user_id, note FROM orders WHERE user_id = $1").await.unwrap();
    for id in &users {
        client.execute("DELETE FROM orders WHERE user_id = $1", &[id]).await.unwrap();
        client.execute("INSERT INTO orders (id, user_id, note) VALUES (1, $1, $2)", &[id, &ME]).await.unwrap();
    }
    for id in &users {
        let row = client.query_one(&read, &[id]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, String>(1)), (*id, ME.to_string()));
        let all = client.query_one("SELECT count(DISTINCT user_id) FROM orders WHERE note = $1", &[&ME]).await.unwrap();
        assert_eq!(all.get::<_, i64>(0), users.len() as i64);
    }
    let rows = join_all(users.iter().map(|id| async { client.query_one(&read, &[id]).await.unwrap() })).await;
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), users);
    let why = fails("23505", client.execute("INSERT INTO orders (id, user_id) VALUES (1, $1)", &[&users[3]]).await);
    assert_eq!(why.constraint(), Some("orders_pkey"));
    let inside = client.transaction().await.unwrap();
    inside.execute("UPDATE orders SET note = 'changed' WHERE user_id = $1", &[&users[1]]).await.unwrap();
    assert_eq!(inside.query_one(&read, &[&users[1]]).await.unwrap().get::<_, String>(1), "changed");
    inside.rollback().await.unwrap();
    assert_eq!(client.query_one(&read, &[&users[1]]).await.unwrap().get::<_, String>(1), ME);
    let total = "SELECT sum(amount)::int8 FROM orders WHERE note = $1";
    let size = users.len() as i64;
    for amount in 1..6 {
        let sql = format!("UPDATE orders SET amount = {amount} WHERE note = $1");
        assert_eq!(client.execute(&sql, &[&ME]).await.unwrap() as i64, size);
        assert_eq!(one::<i64>(&client, total, &[&ME]).await, amount * size);
    }
    let rows = users.iter().map(|id| format!("(2, {id})")).collect::<Vec<_>>().join(", ");
    let several = format!("INSERT INTO orders (id, user_id) VALUES {rows}");
    let made = client.query(&format!("{several} RETURNING user_id"), &[]).await.unwrap();
    assert_eq!(made.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), users);
    assert_eq!(client.execute("DELETE FROM orders WHERE id = 2", &[]).await.unwrap() as i64, size);
    fails("23505", client.execute(&format!("{several}, (1, {})", users[7]), &[]).await);
    assert_eq!(one::<i64>(&client, "SELECT count(*) FROM orders WHERE id = 2", &[]).await, 0);

    let change = "UPDATE orders SET amount = amount + 1 WHERE user_id = $1";
    for (last, amount) in [("SELECT 1", 6), ("INSERT INTO orders (id, user_id) VALUES (1, 7009)", 6)] {
        let inside = client.transaction().await.unwrap();
        for id in &users {
            assert_eq!(inside.execute(change, &[id]).await.unwrap(), 1);
        }
        match inside.batch_execute(last).await {
            Ok(()) => inside.commit().await.unwrap(),
            failed => {
                fails("23505", failed);
                inside.rollback().await.unwrap()
            }
        }
        assert_eq!(one::<i64>(&client, total, &[&ME]).await, amount * size);
    }
    // Sent together, within one transaction and each alone
    let inside = client.transaction().await.unwrap();
    let given: Vec<[&(dyn ToSql + Sync); 1]> = users.iter().map(|id| [id as &(dyn ToSql + Sync)]).collect();
    assert!(join_all(given.iter().map(|id| inside.execute(change, id))).await.iter().all(|end| matches!(end, Ok(1))));
    inside.commit().await.unwrap();
    assert!(join_all(given.iter().map(|id| client.execute(change, id))).await.iter().all(|end| matches!(end, Ok(1))));
    assert_eq!(one::<i64>(&client, total, &[&ME]).await, 8 * size);
}
