import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** What the checks of pgjdbc are written with: where to connect, one-line queries, and how a check is reported. */
final class Report {
  static final String HOST = given("HOST"), PORT = given("PORT"), USER = given("USER"), PASSWORD = given("PASSWORD"), CA = given("CA");
  static final int POOL_SIZE = Integer.parseInt(given("POOL_SIZE"));
  static final int CLIENTS = 8;

  interface Work {
    void run(Connection client) throws Exception;
  }

  interface Attempt {
    void run() throws Exception;
  }

  private Report() {}

  private static String given(String name) {
    return System.getenv("DRIVER_" + name);
  }

  /** A connection with the driver's settings given as name, value, name, value... */
  static Connection connected(String database, String... settings) throws SQLException {
    var all = new Properties();
    all.putAll(java.util.Map.of("user", USER, "password", PASSWORD, "sslmode", "disable", "connectTimeout", "10", "socketTimeout", "110"));
    for (int i = 0; i < settings.length; i += 2) all.setProperty(settings[i], settings[i + 1]);
    return DriverManager.getConnection("jdbc:postgresql://" + HOST + ":" + PORT + "/" + database, all);
  }

  static void with(String database, Work work, String... settings) throws Exception {
    try (var client = connected(database, settings)) {
      work.run(client);
    }
  }

  static PGConnection own(Connection client) throws SQLException {
    return client.unwrap(PGConnection.class);
  }

  static PreparedStatement prepared(Connection client, String sql, Object... values) throws SQLException {
    var statement = client.prepareStatement(sql);
    for (int i = 0; i < values.length; ++i) statement.setObject(i + 1, values[i]);
    return statement;
  }

  /** The rows that a statement with parameters answers. */
  static List<List<Object>> rows(Connection client, String sql, Object... values) throws SQLException {
    try (var statement = prepared(client, sql, values); var found = statement.executeQuery()) {
      return rows(found);
    }
  }

  static List<List<Object>> rows(ResultSet found) throws SQLException {
    var all = new ArrayList<List<Object>>();
    while (found.next()) {
      var row = new ArrayList<Object>();
      for (int i = 1; i <= found.getMetaData().getColumnCount(); ++i) row.add(found.getObject(i));
      all.add(row);
    }
    return all;
  }

  /** The first column of the only row. */
  static Object one(Connection client, String sql, Object... values) throws SQLException {
    var found = rows(client, sql, values);
    same(found.size(), 1);
    return found.get(0).get(0);
  }

  /** How many rows a statement with parameters changed. */
  static int change(Connection client, String sql, Object... values) throws SQLException {
    try (var statement = prepared(client, sql, values)) {
      return statement.executeUpdate();
    }
  }

  /** Runs text without parameters: several statements, settings, DDL. */
  static void run(Connection client, String sql) throws SQLException {
    try (var statement = client.createStatement()) {
      statement.execute(sql);
    }
  }

  static void same(Object found, Object wanted) {
    if (!Objects.deepEquals(found, wanted)) throw new AssertionError(shown(found) + " instead of " + shown(wanted));
  }

  private static String shown(Object value) {
    var text = value instanceof int[] numbers ? Arrays.toString(numbers) : String.valueOf(value);
    return text.substring(0, Math.min(text.length(), 300));
  }

  /** What the server says of the error that `attempt` must end with, whose SQLSTATE must be `state`. */
  static ServerErrorMessage fails(String state, Attempt attempt) throws Exception {
    try {
      attempt.run();
    } catch (SQLException why) {
      if (!state.equals(why.getSQLState())) throw new AssertionError(why.getSQLState() + " instead of " + state + ": " + why.getMessage(), why);
      for (Throwable each = why; each != null; each = each.getCause())
        if (each instanceof PSQLException told && told.getServerErrorMessage() != null) return told.getServerErrorMessage();
      throw new AssertionError("not an error of the server: " + why.getMessage(), why);
    }
    throw new AssertionError("no " + state);
  }

  /** Reports a check; it has 120 seconds. */
  static void check(String name, Attempt attempt) {
    var ended = new CompletableFuture<String>();
    var thread = new Thread(() -> {
      try {
        attempt.run();
        ended.complete("");
      } catch (Throwable why) {
        ended.complete(why + " (" + place(why) + ")");
      }
    });
    thread.setDaemon(true);
    thread.start();
    var why = "still running after 120 s";
    try {
      why = ended.get(120, TimeUnit.SECONDS);
    } catch (TimeoutException late) {
      why += " at " + place(Arrays.asList(thread.getStackTrace()));
    } catch (Exception other) {
      why = other.toString();
    }
    System.out.println(why.isEmpty() ? "ok " + name : "not ok " + name + ": " + why.replaceAll("\\s+", " "));
  }

  private static String place(Throwable why) {
    var frames = new ArrayList<StackTraceElement>();
    for (var each = why; each != null; each = each.getCause()) frames.addAll(Arrays.asList(each.getStackTrace()));
    return place(frames);
  }

  /** The line of Checks.java among these. */
  private static String place(List<StackTraceElement> frames) {
    for (var frame : frames)
      if ("Checks.java".equals(frame.getFileName())) return "Checks.java:" + frame.getLineNumber();
    return "";
  }
}
