import static java.util.stream.IntStream.range;

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.postgresql.PGProperty;
import org.postgresql.jdbc.PreferQueryMode;
import org.postgresql.largeobject.LargeObjectManager;
import org.postgresql.util.PGobject;

/** pgjdbc: its query modes, statements prepared at once, rewritten batches, portals, CopyManager, large objects by FunctionCall. */
final class Checks {
  static final String ME = "pgjdbc";
  /** As a driver is set up: text only; what it does of itself; prepared and binary from the first execution on; everything cached. */
  static final List<String[]> MODES = List.of(
      new String[] {"preferQueryMode", "simple"},
      new String[] {"prepareThreshold", "5"},
      new String[] {"prepareThreshold", "1"},
      new String[] {"prepareThreshold", "-1"},
      new String[] {"preferQueryMode", "extendedForPrepared", "prepareThreshold", "0"},
      new String[] {"preferQueryMode", "extendedCacheEverything", "prepareThreshold", "1"});

  private Checks() {}

  static boolean isSimple(Connection client) throws Exception {
    return Report.own(client).getPreferQueryMode() == PreferQueryMode.SIMPLE;
  }

  static String[] and(String[] settings, String... more) {
    var all = new ArrayList<>(Arrays.asList(settings));
    all.addAll(Arrays.asList(more));
    return all.toArray(String[]::new);
  }

  static void connect() throws Exception {
    Report.with("app", client -> {
      Report.same(Report.one(client, "SELECT current_user::text || '@' || current_database()"), Report.USER + "@app");
      Report.same(Report.one(client, "SHOW application_name"), "drivers");
      Report.same(Report.one(client, "SHOW work_mem"), "77MB");
      Report.same(client.isValid(5), true);
      client.setClientInfo("ApplicationName", "renamed");
      Report.same(Report.one(client, "SHOW application_name"), "renamed");
      Report.same(Report.own(client).getParameterStatus("application_name"), "renamed");
      client.setSchema("information_schema");
      Report.same(client.getSchema(), "information_schema");
    }, PGProperty.APPLICATION_NAME.getName(), "drivers", "options", "-c work_mem=77MB", "targetServerType", "primary");
    Report.with("app", client -> {
      Report.same(Report.one(client, "SHOW default_transaction_read_only"), "on");
      Report.fails("25006", () -> Report.run(client, "DELETE FROM things"));
    }, "readOnly", "true", "readOnlyMode", "always");
    Report.fails("28P01", () -> Report.connected("app", "password", "wrong").close());
  }

  static void tls() throws Exception {
    for (var more : List.of(new String[] {}, new String[] {"channelBinding", "require"}))
      Report.with("app", client -> Report.same(((String) Report.one(client, "SELECT ?::text", "x".repeat(1000000))).length(), 1000000),
          and(more, "sslmode", "verify-full", "sslrootcert", Report.CA));
  }

  static void prepared() throws Exception {
    for (var mode : MODES)
      Report.with("app", client -> {
        try (var plus = client.prepareStatement("SELECT ?::int4 + 1, ?::text")) {
          for (int i = 0; i < 100; ++i) {
            plus.setInt(1, i);
            plus.setString(2, "" + i);
            Report.same(Report.rows(plus.executeQuery()), List.of(List.of(i + 1, "" + i)));
            Report.same(Report.one(client, "SELECT ?::int4 * 2", i), 2 * i);
          }
        }
        for (int i = 0; i < 200; ++i) // more texts than the driver keeps
          Report.same(Report.one(client, "SELECT ?::int4 * " + i % 50, 3), 3 * (i % 50));
        Report.fails("22012", () -> Report.one(client, "SELECT 1 / ?::int4", 0));
        Report.same(Report.one(client, "SELECT 1 / ?::int4", 1), 1);
        Report.run(client, "DROP TABLE IF EXISTS pgjdbc_changing; CREATE TABLE pgjdbc_changing AS SELECT 1 AS a");
        for (int i = 0; i < 3; ++i) Report.same(Report.rows(client, "SELECT * FROM pgjdbc_changing"), List.of(List.of(1)));
        Report.run(client, "ALTER TABLE pgjdbc_changing ADD b text DEFAULT 'new'");
        for (int i = 0; i < 3; ++i) Report.same(Report.rows(client, "SELECT * FROM pgjdbc_changing"), List.of(List.of(1, "new")));
        Report.run(client, "DROP TABLE pgjdbc_changing");
        for (var all : List.of("DISCARD ALL", "DEALLOCATE ALL")) {
          Report.run(client, all);
          Report.same(Report.one(client, "SELECT ?::int4 * 2", 4), 8);
        }
      }, and(mode, "preparedStatementCacheQueries", "20"));
  }

  static void transactions() throws Exception {
    for (var mode : MODES)
      Report.with("app", client -> {
        Report.change(client, "DELETE FROM things WHERE driver = ?", ME);
        client.setAutoCommit(false);
        Report.change(client, "INSERT INTO things VALUES (?, 1, 'kept')", ME);
        var before = client.setSavepoint("before");
        Report.fails("23505", () -> Report.change(client, "INSERT INTO things VALUES (?, 1, 'twice')", ME));
        Report.fails("25P02", () -> Report.one(client, "SELECT 1"));
        client.rollback(before);
        Report.change(client, "INSERT INTO things VALUES (?, 2, 'kept too')", ME);
        client.releaseSavepoint(before);
        Report.same(Report.one(client, "SELECT count(*) FROM things WHERE driver = ?", ME), 2L);
        client.commit();
        Report.change(client, "INSERT INTO things VALUES (?, 3, 'lost')", ME);
        client.rollback();
        client.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        Report.same(Report.one(client, "SHOW transaction_isolation"), "serializable");
        client.commit();
        client.setReadOnly(true);
        Report.fails("25006", () -> Report.change(client, "DELETE FROM things WHERE driver = ?", ME));
        client.rollback();
        client.setReadOnly(false);
        Report.same(Report.one(client, "SELECT count(*) FROM things WHERE driver = ?", ME), 2L);
        client.setAutoCommit(true);
        portals(client);
      }, mode);
    // The driver's own savepoint around each statement
    Report.with("app", client -> {
      client.setAutoCommit(false);
      for (int i = 0; i < 10; ++i) {
        Report.fails("23505", () -> Report.change(client, "INSERT INTO things VALUES (?, 1, 'twice')", ME));
        Report.same(Report.one(client, "SELECT count(*) FROM things WHERE driver = ?", ME), 2L);
      }
      client.commit();
    }, "autosave", "always", "prepareThreshold", "1");
  }

  /** Rows by a fetch size: inside a transaction the driver asks a portal for some at a time. */
  static void portals(Connection client) throws Exception {
    client.setAutoCommit(false);
    for (int round = 0; round < 3; ++round)
      try (var whole = client.prepareStatement("SELECT generate_series(1, ?::int4)"); var other = client.prepareStatement("SELECT generate_series(1, 100)")) {
        whole.setFetchSize(20);
        other.setFetchSize(7);
        whole.setInt(1, 250);
        var both = List.of(whole.executeQuery(), other.executeQuery());
        for (int i = 1; i <= 250; ++i) {
          Report.same(both.get(0).next(), true);
          Report.same(both.get(0).getInt(1), i);
          if (i <= 100) Report.same(both.get(1).next() ? both.get(1).getInt(1) : 0, i);
        }
        Report.same(both.get(0).next() || both.get(1).next(), false);
        whole.setFetchSize(3);
        var cut = whole.executeQuery();
        Report.same(cut.next(), true);
        cut.close();
        Report.same(Report.one(client, "SELECT 1"), 1);
      }
    client.commit();
    client.setAutoCommit(true);
    if (isSimple(client)) return; // the driver then leaves out the limit
    try (var limited = client.prepareStatement("SELECT generate_series(1, 100)")) {
      limited.setMaxRows(5);
      for (int i = 0; i < 3; ++i) Report.same(Report.rows(limited.executeQuery()).size(), 5);
    }
  }

  static void errors() throws Exception {
    for (var mode : MODES)
      Report.with("app", client -> {
        Report.change(client, "INSERT INTO things VALUES (?, 10, 'x') ON CONFLICT DO NOTHING", ME);
        for (int i = 0; i < 3; ++i) {
          Report.fails("42P01", () -> Report.one(client, "SELECT * FROM nowhere"));
          Report.same(Report.fails("42601", () -> Report.one(client, "SELEC 1")).getPosition(), 1);
          Report.fails("22012", () -> Report.one(client, "SELECT 1 / ?::int4", 0));
          var why = Report.fails("23505", () -> Report.change(client, "INSERT INTO things VALUES (?, 10, 'x')", ME));
          Report.same(List.of(why.getSeverity(), why.getSchema(), why.getTable(), why.getConstraint(), why.getDetail()),
              List.of("ERROR", "public", "things", "things_pkey", "Key (driver, id)=(pgjdbc, 10) already exists."));
          Report.same(Report.fails("23502", () -> Report.change(client, "INSERT INTO things VALUES (?, NULL, 'x')", ME)).getColumn(), "id");
          // Several statements in one text are one transaction: of the first nothing stays.
          Report.fails("22012", () -> Report.run(client, "DELETE FROM things WHERE driver = 'pgjdbc'; SELECT 1 / 0; SELECT 2"));
          Report.same(Report.one(client, "SELECT count(*) > 0 FROM things WHERE driver = ?", ME), true);
        }
        try (var statement = client.createStatement()) {
          statement.execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$");
          Report.same(statement.getWarnings().getMessage(), "heard");
        }
      }, mode);
  }

  static void copy() throws Exception {
    var lines = range(0, 20000).mapToObj(i -> ME + "\t" + i + "\trow " + i + "\n").collect(Collectors.joining());
    Report.with("app", client -> {
      var copies = Report.own(client).getCopyAPI();
      Report.change(client, "DELETE FROM things WHERE driver = ?", ME);
      Report.same(copies.copyIn("COPY things FROM STDIN", new StringReader(lines)), 20000L);
      var out = new StringWriter();
      Report.same(copies.copyOut("COPY (SELECT * FROM things WHERE driver = 'pgjdbc' ORDER BY id) TO STDOUT", out), 20000L);
      Report.same(out.toString().equals(lines), true);
      Report.fails("23505", () -> copies.copyIn("COPY things FROM STDIN", new StringReader(lines)));
      Report.fails("42P01", () -> copies.copyIn("COPY nowhere FROM STDIN", new StringReader(lines)));
      var abandoned = copies.copyIn("COPY things FROM STDIN");
      abandoned.writeToCopy((ME + "\t90000\tgiven up\n").getBytes(), 0, ME.length() + 16);
      abandoned.cancelCopy();
      var left = copies.copyOut("COPY (SELECT generate_series(1, 100000000)) TO STDOUT");
      Report.same(new String(left.readFromCopy()), "1\n");
      Report.own(client).cancelQuery();
      Report.fails("57014", () -> {
        while (left.readFromCopy() != null) {}
      });
      Report.same(Report.one(client, "SELECT count(*) FROM things WHERE driver = ?", ME), 20000L);
      client.setAutoCommit(false);
      Report.change(client, "DELETE FROM things WHERE driver = ?", ME);
      Report.same(copies.copyIn("COPY things FROM STDIN", new StringReader(lines)), 20000L);
      client.rollback();
    });
  }

  static void cancel() throws Exception {
    Report.with("app", client -> {
      Report.change(client, "INSERT INTO things VALUES (?, 1, 'x') ON CONFLICT DO NOTHING", ME);
      for (var sql : List.of("SELECT pg_sleep(30)", "SELECT pg_sleep(30) FROM things FOR UPDATE", "DO $$ BEGIN PERFORM pg_sleep(30); END $$"))
        try (var statement = client.createStatement()) {
          var begun = System.nanoTime();
          var other = new Thread(() -> {
            try {
              Thread.sleep(400);
              statement.cancel();
            } catch (Exception why) {
              System.out.println(why);
            }
          });
          other.start();
          Report.fails("57014", () -> statement.execute(sql));
          other.join();
          Report.same(System.nanoTime() - begun < 20e9, true);
          Report.same(Report.one(client, "SELECT ?::int4", 5), 5);
          statement.setQueryTimeout(1); // the driver's own timer cancels
          Report.fails("57014", () -> statement.execute(sql));
          Report.same(Report.one(client, "SELECT ?::int4", 6), 6);
        }
      Report.own(client).cancelQuery(); // nothing runs
      Thread.sleep(100);
      Report.same(Report.one(client, "SELECT 6"), 6);
    });
  }

  static PGobject document(String text) throws Exception {
    var document = new PGobject();
    document.setType("jsonb");
    document.setValue(text);
    return document;
  }

  static void values() throws Exception {
    var bytes = new byte[256];
    for (int i = 0; i < 256; ++i) bytes[i] = (byte) i;
    var names = "numbers, names, key, at, local, amount, bytes, document, flag, ratio, big";
    for (var mode : MODES)
      Report.with("app", client -> {
        var row = List.of(client.createArrayOf("int4", new Integer[] {1, null, -3}), client.createArrayOf("text", new String[] {"a", "b\"c", "d,e", "\\", ""}),
            UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"), OffsetDateTime.parse("2024-02-29T23:59:59.123456Z"),
            LocalDateTime.parse("1999-12-31T01:02:03"), new BigDecimal("-12345678901234567890.000123"), bytes,
            document("{\"a\": [1, 2.5, null, \"ä\\\"\\\\\"], \"b\": {\"c\": true}}"), true, 0.1, Long.MIN_VALUE);
        Report.change(client, "DELETE FROM typed WHERE driver = ?", ME);
        Report.change(client, "INSERT INTO typed (driver, " + names + ") VALUES ('pgjdbc'" + ", ?".repeat(row.size()) + ")", row.toArray());
        for (int round = 0; round < 3; ++round)
          try (var asked = Report.prepared(client, "SELECT " + names + " FROM typed WHERE driver = ?", ME); var found = asked.executeQuery()) {
            Report.same(found.next(), true);
            Report.same(found.getArray(1).getArray(), new Integer[] {1, null, -3});
            Report.same(found.getArray(2).getArray(), new String[] {"a", "b\"c", "d,e", "\\", ""});
            Report.same(found.getObject(4, OffsetDateTime.class).toInstant(), ((OffsetDateTime) row.get(3)).toInstant());
            Report.same(found.getObject(5, LocalDateTime.class), row.get(4));
            for (int i : new int[] {3, 6, 7, 8, 9, 10, 11}) Report.same(found.getObject(i), row.get(i - 1));
          }
        Report.run(client, "DROP TYPE IF EXISTS mood_pgjdbc; CREATE TYPE mood_pgjdbc AS ENUM ('sad', 'glad')");
        for (int round = 0; round < 3; ++round) Report.same(Report.one(client, "SELECT ?::mood_pgjdbc", "glad"), "glad");
        Report.run(client, "DROP TYPE mood_pgjdbc");
        largeObject(client, bytes);
        updatable(client);
        called(client);
      }, mode);
  }

  /** By FunctionCall. */
  static void largeObject(Connection client, byte[] bytes) throws Exception {
    client.setAutoCommit(false);
    var objects = Report.own(client).getLargeObjectAPI();
    var number = objects.createLO(LargeObjectManager.READWRITE);
    try (var object = objects.open(number, LargeObjectManager.READWRITE)) {
      for (int i = 0; i < 100; ++i) object.write(bytes);
      object.seek(25000);
      Report.same(object.read(10), Arrays.copyOfRange(bytes, 25000 % 256, 25000 % 256 + 10));
    }
    client.commit();
    try (var object = objects.open(number, LargeObjectManager.READ)) {
      Report.same(object.size(), 25600);
    }
    objects.delete(number);
    client.commit();
    Report.fails("42704", () -> objects.open(number, LargeObjectManager.READ));
    client.rollback();
    client.setAutoCommit(true);
  }

  static void updatable(Connection client) throws Exception {
    Report.change(client, "DELETE FROM things WHERE driver = ?", ME);
    try (var statement = client.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
        var found = statement.executeQuery("SELECT driver, id, label FROM things WHERE driver = 'pgjdbc'")) {
      found.moveToInsertRow();
      found.updateString(1, ME);
      found.updateInt(2, 7);
      found.updateString(3, "inserted");
      found.insertRow();
      found.first();
      found.updateString(3, "updated");
      found.updateRow();
    }
    Report.same(Report.one(client, "SELECT label FROM things WHERE driver = ? AND id = 7", ME), "updated");
  }

  static void called(Connection client) throws Exception {
    var about = client.getMetaData();
    try (var keys = about.getPrimaryKeys(null, "public", "things"); var columns = about.getColumns(null, "public", "things", "%")) {
      Report.same(Report.rows(keys).size(), 2);
      Report.same(Report.rows(columns).size(), 3);
    }
    if (isSimple(client)) return; // the driver then sends the result's mark too
    try (var call = client.prepareCall("{? = call upper(?)}")) {
      call.registerOutParameter(1, Types.VARCHAR);
      call.setString(2, "loud");
      for (int i = 0; i < 3; ++i) {
        call.execute();
        Report.same(call.getString(1), "LOUD");
      }
    }
  }

  static void sharing() throws Exception {
    var pids = ConcurrentHashMap.newKeySet();
    Set<Throwable> problems = ConcurrentHashMap.newKeySet();
    var threads = range(0, Report.CLIENTS).mapToObj(number -> new Thread(() -> {
      try (var client = Report.connected("app", "prepareThreshold", "1")) {
        var mine = (64 + number) + "MB";
        Report.run(client, "SET work_mem = '" + mine + "'");
        for (int i = 0; i < 20; ++i) {
          client.setAutoCommit(false);
          pids.add(Report.one(client, "SELECT pg_backend_pid()"));
          Report.same(Report.rows(client, "SELECT ?::int4, current_setting('work_mem')", number), List.of(List.of(number, mine)));
          client.commit();
          client.setAutoCommit(true);
          Report.same(Report.one(client, "SHOW work_mem"), mine);
        }
      } catch (Throwable why) {
        problems.add(why);
      }
    })).toList();
    threads.forEach(Thread::start);
    for (var each : threads) each.join();
    for (var why : problems) throw new AssertionError(why);
    Report.same(pids.size() >= 1 && pids.size() <= Report.POOL_SIZE, true);
  }

  static void listen() throws Exception {
    for (var database : List.of("app", "shop"))
      Report.with(database, client -> {
        Report.run(client, "LISTEN drivers");
        Report.with(database, other -> Report.rows(other, "SELECT pg_notify('drivers', ?)", "told"));
        var heard = Report.own(client).getNotifications(10000);
        Report.same(Arrays.stream(heard).map(each -> each.getParameter()).toList(), List.of("told"));
        Report.run(client, "UNLISTEN drivers");
      });
  }

  /** Batches: many statements before one Sync, or one statement rewritten to have many rows. */
  static void pipeline() throws Exception {
    for (var mode : MODES)
      for (var rewritten : List.of("false", "true"))
        Report.with("app", client -> {
          Report.change(client, "DELETE FROM things WHERE driver = ?", ME);
          try (var add = client.prepareStatement("INSERT INTO things VALUES (?, ?, ?)", Statement.RETURN_GENERATED_KEYS)) {
            for (int part = 0; part < 3; ++part) {
              for (int i = 0; i < 300; ++i) addRow(add, 1000 * part + i);
              Report.same(Arrays.stream(add.executeBatch()).allMatch(n -> n == 1 || n == Statement.SUCCESS_NO_INFO), true);
              Report.same(Report.rows(add.getGeneratedKeys()).size(), 300);
            }
          }
          try (var add = client.prepareStatement("INSERT INTO things VALUES (?, ?, ?)")) {
            for (int i = 0; i < 2000; ++i) addRow(add, 5000 + i);
            Report.same(add.executeBatch().length, 2000);
            for (int id : new int[] {10000, 10001, 10000, 10002}) addRow(add, id);
            try {
              add.executeBatch();
              throw new AssertionError("no 23505");
            } catch (BatchUpdateException why) {
              Report.same(List.of(why.getSQLState(), why.getUpdateCounts().length), List.of("23505", 4));
            }
            client.setAutoCommit(false);
            for (int id : new int[] {20000, 20001, 20000}) addRow(add, id);
            Report.fails("23505", add::executeBatch);
            Report.fails("25P02", () -> Report.one(client, "SELECT 1"));
            client.rollback();
            client.setAutoCommit(true);
          }
          Report.same(Report.one(client, "SELECT count(*) FROM things WHERE driver = ? AND id < 10000", ME), 2900L);
          // Without a pipeline each row is a transaction.
          var left = isSimple(client) && rewritten.equals("false") ? 3L : 0L;
          Report.same(Report.one(client, "SELECT count(*) FROM things WHERE driver = ? AND id >= 10000", ME), left);
          try (var mixed = client.createStatement()) {
            for (int i = 0; i < 50; ++i) {
              mixed.addBatch("UPDATE things SET label = 'mixed' WHERE driver = 'pgjdbc' AND id < " + i);
              mixed.addBatch("DELETE FROM things WHERE driver = 'pgjdbc' AND id = " + (5000 + i));
            }
            Report.same(mixed.executeBatch(), range(0, 100).map(i -> i % 2 == 0 ? i / 2 : 1).toArray());
            Report.same(mixed.execute("SELECT 1; DELETE FROM things WHERE driver = 'pgjdbc' AND id < 10; SELECT 2"), true);
            Report.same(Report.rows(mixed.getResultSet()), List.of(List.of(1)));
            List<List<Object>> last = null; // some modes tell of the count in between, others do not
            while (mixed.getMoreResults() || mixed.getUpdateCount() != -1)
              if (mixed.getResultSet() != null) last = Report.rows(mixed.getResultSet());
            Report.same(last, List.of(List.of(2)));
          }
        }, and(mode, "reWriteBatchedInserts", rewritten));
  }

  static void addRow(java.sql.PreparedStatement add, int id) throws Exception {
    add.setString(1, ME);
    add.setInt(2, id);
    add.setString(3, "row " + id);
    add.addBatch();
  }

  static void shards() throws Exception {
    var users = range(7000, 7040).boxed().toList();
    for (var mode : MODES)
      Report.with("shop", client -> {
        for (int id : users) {
          Report.change(client, "DELETE FROM orders WHERE user_id = ?", id);
          Report.change(client, "INSERT INTO orders (id, user_id, note) VALUES (1, ?, ?)", id, ME);
        }
        for (int id : users) {
          Report.same(Report.rows(client, "SELECT user_id, note FROM orders WHERE user_id = ?", id), List.of(List.of((long) id, ME)));
          Report.same(Report.one(client, "SELECT count(DISTINCT user_id) FROM orders WHERE note = ?", ME), (long) users.size());
        }
        var why = Report.fails("23505", () -> Report.change(client, "INSERT INTO orders (id, user_id) VALUES (1, ?)", 7003));
        Report.same(why.getConstraint(), "orders_pkey");
        client.setAutoCommit(false);
        Report.change(client, "UPDATE orders SET note = 'changed' WHERE user_id = ?", 7001);
        Report.same(Report.one(client, "SELECT note FROM orders WHERE user_id = ?", 7001), "changed");
        client.rollback();
        client.setAutoCommit(true);
        try (var add = client.prepareStatement("INSERT INTO orders (id, user_id) VALUES (?, ?)")) {
          for (int i = 0; i < 20; ++i) order(add, 10 + i, 7005);
          Report.same(add.executeBatch().length, 20);
          Report.same(Report.one(client, "SELECT count(*) FROM orders WHERE user_id = ?", 7005), 21L);
          Report.same(Report.change(client, "DELETE FROM orders WHERE user_id = ? AND id >= 10", 7005), 20);
          for (int id : users) order(add, 100, id); // one transaction, of several shards
          Report.same(add.executeBatch().length, users.size());
          Report.same(Report.one(client, "SELECT count(*) FROM orders WHERE id = 100"), (long) users.size());
          Report.same(Report.change(client, "DELETE FROM orders WHERE id = ?", 100), users.size());
          client.setAutoCommit(false);
          for (int id : users) order(add, 100, id);
          order(add, 1, 7009);
          Report.fails("23505", add::executeBatch);
          client.rollback();
          client.setAutoCommit(true);
        }
        Report.same(Report.one(client, "SELECT count(*) FROM orders WHERE id = 100"), 0L);
        for (int amount = 1; amount < 8; ++amount) { // past the fifth the driver's statement is prepared
          Report.same(Report.change(client, "UPDATE orders SET amount = ? WHERE note = ?", amount, ME), users.size());
          Report.same(total(client), (long) amount * users.size());
        }
        client.setAutoCommit(false);
        for (int id : users) Report.same(Report.change(client, "UPDATE orders SET amount = 10 WHERE user_id = ?", id), 1);
        Report.same(total(client), 10L * users.size());
        client.commit();
        Report.change(client, "UPDATE orders SET amount = 11 WHERE note = ?", ME);
        Report.fails("23505", () -> Report.change(client, "INSERT INTO orders (id, user_id) VALUES (1, ?)", 7008));
        Report.fails("25P02", () -> total(client));
        client.rollback();
        client.setAutoCommit(true);
        Report.same(total(client), 10L * users.size());
      }, and(mode, "reWriteBatchedInserts", "true"));
  }

  static Object total(Connection client) throws Exception {
    return Report.one(client, "SELECT sum(amount)::int8 FROM orders WHERE note = ?", ME);
  }

  static void order(java.sql.PreparedStatement add, int id, int user) throws Exception {
    add.setInt(1, id);
    add.setInt(2, user);
    add.addBatch();
  }

  public static void main(String[] arguments) {
    Report.check("connect", Checks::connect);
    Report.check("tls", Checks::tls);
    Report.check("prepared", Checks::prepared);
    Report.check("transactions", Checks::transactions);
    Report.check("errors", Checks::errors);
    Report.check("copy", Checks::copy);
    Report.check("cancel", Checks::cancel);
    Report.check("values", Checks::values);
    Report.check("sharing", Checks::sharing);
    Report.check("listen", Checks::listen);
    Report.check("pipeline", Checks::pipeline);
    Report.check("shards", Checks::shards);
  }
}
