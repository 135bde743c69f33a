import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The checks of Connector/J of MySQL and of MariaDB ("mysql" or "mariadb" is the first argument), with prepared statements of the client's and the server's. */
final class Checks {
  static final String PORT = given("PORT"), USER = given("USER"), PASSWORD = given("PASSWORD"), CA = given("CA");
  static final boolean SHARDED = given("SHARDED").equals("1");
  static final String[] NAMES = {"one", "two", "three"};
  static final int CLIENTS = 8;
  static String scheme;

  interface Attempt {
    void run() throws Exception;
  }

  private Checks() {}

  static String given(String name) {
    return System.getenv("DRIVER_" + name);
  }

  static Connection open(String database, String... settings) throws SQLException {
    var all = new Properties();
    all.setProperty("user", USER);
    all.setProperty("password", PASSWORD);
    all.setProperty("connectTimeout", "20000");
    all.setProperty("socketTimeout", "60000");
    all.setProperty("sslMode", scheme.equals("mysql") ? "DISABLED" : "disable");
    for (int i = 0; i < settings.length; i += 2) all.setProperty(settings[i], settings[i + 1]);
    return DriverManager.getConnection("jdbc:" + scheme + "://localhost:" + PORT + "/" + database, all);
  }

  static PreparedStatement prepared(Connection a, String sql, Object... values) throws SQLException {
    var statement = a.prepareStatement(sql);
    for (int i = 0; i < values.length; ++i) statement.setObject(i + 1, values[i]);
    return statement;
  }

  static List<List<Object>> rows(Connection a, String sql, Object... values) throws SQLException {
    try (var statement = prepared(a, sql, values); var found = statement.executeQuery()) {
      var all = new ArrayList<List<Object>>();
      while (found.next()) {
        var row = new ArrayList<Object>();
        for (int i = 1; i <= found.getMetaData().getColumnCount(); ++i) row.add(found.getObject(i));
        all.add(row);
      }
      return all;
    }
  }

  static Object one(Connection a, String sql, Object... values) throws SQLException {
    return rows(a, sql, values).get(0).get(0);
  }

  static int change(Connection a, String sql, Object... values) throws SQLException {
    try (var statement = prepared(a, sql, values)) {
      return statement.executeUpdate();
    }
  }

  static void run(Connection a, String sql) throws SQLException {
    try (var statement = a.createStatement()) {
      statement.execute(sql);
    }
  }

  static void same(Object found, Object wanted) {
    if (!Objects.deepEquals(found, wanted)) throw new AssertionError(found + " instead of " + wanted);
  }

  static String fails(int number, Attempt attempt) throws Exception {
    try {
      attempt.run();
    } catch (SQLException why) {
      if (why.getErrorCode() != number) throw new AssertionError(why.getErrorCode() + " instead of " + number + ": " + why.getMessage(), why);
      return why.getMessage();
    }
    throw new AssertionError("no " + number);
  }

  static String[] onServer() {
    return new String[] {"useServerPrepStmts", "true", "cachePrepStmts", "true"};
  }

  static void connect() throws Exception {
    try (var a = open("app")) {
      same(one(a, "SELECT DATABASE()"), "app");
      same(a.isValid(5), true);
    }
    fails(1045, () -> open("app", "password", "wrong").close());
  }

  static void tls() throws Exception {
    var mode = scheme.equals("mysql") ? new String[] {"sslMode", "REQUIRED"} : new String[] {"sslMode", "verify-ca", "serverSslCert", CA};
    try (var a = open("app", mode)) {
      same(((Number) one(a, "SELECT COUNT(*) FROM things")).intValue(), 3);
    }
  }

  static void preparedStatements() throws Exception {
    try (var a = open("app", onServer()); var statement = a.prepareStatement("SELECT name FROM things WHERE id = ?")) {
      for (int i = 0; i < 9; ++i) {
        statement.setInt(1, i % 3 + 1);
        try (var found = statement.executeQuery()) {
          found.next();
          same(found.getString(1), NAMES[i % 3]);
        }
      }
    }
  }

  static void transactions() throws Exception {
    try (var a = open("app"); var b = open("app")) {
      a.setAutoCommit(false);
      change(a, "UPDATE things SET name = ? WHERE id = 1", "changed");
      same(one(b, "SELECT name FROM things WHERE id = 1"), "one");
      a.rollback();
      same(one(a, "SELECT name FROM things WHERE id = ?", 1), "one");
      a.commit();
      a.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
      change(a, "INSERT INTO notes (text) VALUES (?)", "kept");
      var mark = a.setSavepoint();
      change(a, "INSERT INTO notes (text) VALUES (?)", "lost");
      a.rollback(mark);
      a.commit();
      a.setAutoCommit(true);
      same(rows(a, "SELECT text FROM notes"), List.of(List.of("kept")));
      change(a, "DELETE FROM notes");
    }
  }

  static void errors() throws Exception {
    try (var a = open("app")) {
      fails(1146, () -> rows(a, "SELECT * FROM nowhere"));
      fails(1062, () -> change(a, "INSERT INTO things VALUES (?, ?)", 1, "again"));
      same(((Number) one(a, "SELECT 7")).intValue(), 7);
    }
  }

  static void values() throws Exception {
    var bytes = new byte[256];
    for (int i = 0; i < 256; ++i) bytes[i] = (byte) i;
    var most = new BigInteger(scheme.equals("mysql") ? "9223372036854775807" : "18446744073709551615");  // MySQL's binds it signed
    // MySQL's driver takes MariaDB 10 for a server of before fractions of seconds.
    var when = LocalDateTime.of(2024, 2, 29, 23, 59, 59, scheme.equals("mysql") ? 0 : 123456000);
    var text = "h\u00f6he \ud83d\ude00'\"\\%";
    for (var settings : List.of(new String[] {}, onServer())) {
      try (var a = open("app", settings)) {
        change(a, "DELETE FROM kinds");
        change(a, "INSERT INTO kinds (i, b, u, d, f, t, x, da, dt, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -2147483648, Long.MAX_VALUE, most,
            new BigDecimal("-1234567890.000123"), 0.1, text, bytes, LocalDate.of(2024, 2, 29), when, null);
        try (var statement = prepared(a, "SELECT i, b, u, d, f, t, x, da, dt, n FROM kinds WHERE i = ?", -2147483648); var found = statement.executeQuery()) {
          same(found.next(), true);
          same(found.getInt(1), -2147483648);
          same(found.getLong(2), Long.MAX_VALUE);
          same(found.getBigDecimal(3).toBigInteger(), most);
          same(found.getBigDecimal(4), new BigDecimal("-1234567890.000123"));
          same(found.getDouble(5), 0.1);
          same(found.getString(6), text);
          same(found.getBytes(7), bytes);
          same(found.getObject(8, LocalDate.class), LocalDate.of(2024, 2, 29));
          same(found.getObject(9, LocalDateTime.class), when);
          same(found.getObject(10), null);
        }
      }
    }
  }

  static void sharing() throws Exception {
    var all = new ArrayList<CompletableFuture<Void>>();
    for (int i = 0; i < CLIENTS; ++i) {
      final int number = i;
      all.add(CompletableFuture.runAsync(() -> {
        try (var a = open("app", onServer())) {
          run(a, "SET time_zone = '+0" + number + ":00'");
          for (int k = 0; k < 20; ++k)
            same(rows(a, "SELECT @@time_zone, name FROM things WHERE id = ?", number % 3 + 1), List.of(List.of("+0" + number + ":00", NAMES[number % 3])));
        } catch (SQLException why) {
          throw new IllegalStateException(why);
        }
      }));
    }
    for (var each : all) each.get(50, TimeUnit.SECONDS);
  }

  static void session() throws Exception {
    try (var a = open("app")) {
      run(a, "SET @a = 5");
      same(((Number) one(a, "SELECT @a + 1")).intValue(), 6);
      run(a, "CREATE TEMPORARY TABLE mine (i INT)");
      change(a, "INSERT INTO mine VALUES (?), (?)", 1, 2);
      same(((Number) one(a, "SELECT COUNT(*) FROM mine")).intValue(), 2);
      run(a, "DROP TEMPORARY TABLE mine");
    }
  }

  static void shards() throws Exception {
    for (var settings : List.of(new String[] {}, onServer())) {
      try (var a = open("shop", settings)) {
        for (int id = 501; id < 509; ++id) {
          change(a, "DELETE FROM users WHERE id = ?", id);
          change(a, "INSERT INTO users VALUES (?, ?)", id, "n" + id);
          same(rows(a, "SELECT name FROM users WHERE id = ?", id), List.of(List.of("n" + id)));
        }
        if (SHARDED) same(fails(1235, () -> rows(a, "SELECT COUNT(*) FROM users")).contains("hint"), true);
      }
    }
  }

  static void check(String name, Attempt attempt) {
    var ended = new CompletableFuture<String>();
    var thread = new Thread(() -> {
      try {
        attempt.run();
        ended.complete("");
      } catch (Throwable why) {
        var place = "";
        for (Throwable each = why; each != null && place.isEmpty(); each = each.getCause())
          for (var frame : each.getStackTrace())
            if (place.isEmpty() && "Checks.java".equals(frame.getFileName()) && !frame.getMethodName().equals("same")) place = " (Checks.java:" + frame.getLineNumber() + ")";
        ended.complete(why + place);
      }
    });
    thread.setDaemon(true);
    thread.start();
    var why = "still running after 60 s";
    try {
      why = ended.get(60, TimeUnit.SECONDS);
    } catch (TimeoutException late) {
      // told below
    } catch (Exception other) {
      why = other.toString();
    }
    System.out.println(why.isEmpty() ? "ok " + name : "not ok " + name + ": " + why.replaceAll("\\s+", " "));
  }

  public static void main(String[] arguments) {
    scheme = arguments[0];
    check("connect", Checks::connect);
    check("tls", Checks::tls);
    check("prepared", Checks::preparedStatements);
    check("transactions", Checks::transactions);
    check("errors", Checks::errors);
    check("values", Checks::values);
    check("sharing", Checks::sharing);
    check("session", Checks::session);
    check("shards", Checks::shards);
    System.exit(0);
  }
}
