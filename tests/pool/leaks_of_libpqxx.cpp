// libpqxx 6.4 loses one query result (2 KiB) whenever a connection breaks under a query; some tests break connections.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libpqxx";
}
