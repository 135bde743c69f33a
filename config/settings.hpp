#pragma once
// Ringway's settings as values. What each key means to an operator: docs/configuration.md. Read from TOML by
// config/load.hpp.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ringway::config {

using milliseconds = std::chrono::milliseconds;

enum class engine : std::uint8_t { postgres, mysql };
enum class pool_mode : std::uint8_t { transaction, session };
enum class read_consistency : std::uint8_t { session, eventual, bounded, primary };
enum class balance : std::uint8_t { round_robin, least_connections, weighted, random };
enum class no_replica : std::uint8_t { primary, error };
enum class tls_mode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };
enum class sharding_function : std::uint8_t { ring, hash, range, list, directory };
enum class key_update : std::uint8_t { move, refuse };
enum class server_compression : std::uint8_t { off, zlib, zstd };
enum class two_phase : std::uint8_t { on, error };
enum class auth_method : std::uint8_t { trust, scram_sha_256, md5, plain, certificate, reject };

/// A TCP address. Text form "host:port"; IPv6 hosts in brackets.
struct endpoint {
    std::string host;
    std::uint16_t port = 0;
    std::string text() const;
    friend bool operator==(const endpoint&, const endpoint&) = default;
    friend auto operator<=>(const endpoint&, const endpoint&) = default;
};

/// [listen]; an empty entry is not listened on.
struct listen {
    std::optional<endpoint> postgres, mysql, admin, admin_mysql, http;
    std::vector<std::string> proxy_protocol;  ///< networks whose connections begin with a PROXY header; none: nobody's
};

/// TLS of one side. Paths are empty when not set.
struct tls {
    tls_mode mode = tls_mode::disable;  ///< towards servers: libpq's sslmode; towards clients: disable | allow |
                                        ///< require | verify_ca (asks for a certificate)
    std::string certificate_file, key_file, ca_file;
    std::string min_version = "1.2";  ///< "1.2" or "1.3"
    friend bool operator==(const tls&, const tls&) = default;
};

/// Limits of the pool of one (node, user, database).
struct pool_limits {
    pool_mode mode = pool_mode::transaction;
    std::uint32_t size = 20;
    std::uint32_t min_idle = 0;
    std::uint32_t reserve = 0;  ///< extra connections once a client waited reserve_after
    milliseconds reserve_after{5000};
    milliseconds idle_timeout{600'000};        ///< of a server connection; 0: never
    milliseconds lifetime{3'600'000};          ///< of a server connection; 0: for ever
    milliseconds login_backoff{1000};          ///< first pause after a failed login; doubles to 15 s
    milliseconds query_wait_timeout{120'000};  ///< 0: wait for ever
    milliseconds connect_timeout{5000};
    std::uint64_t statement_cache_bytes = 1u << 20;  ///< prepared statements kept on one server connection
    friend bool operator==(const pool_limits&, const pool_limits&) = default;
};

/// How reads are placed.
struct read_rules {
    bool splitting = true;
    read_consistency consistency = read_consistency::session;
    milliseconds max_lag{5000};  ///< for bounded; a replica further behind is not used in any mode but eventual
    balance how = balance::round_robin;
    no_replica fallback = no_replica::primary;
    friend bool operator==(const read_rules&, const read_rules&) = default;
};

/// What a user may override; unset fields come from the cluster, then from [general].
struct overrides {
    std::optional<pool_mode> mode;
    std::optional<std::uint32_t> pool_size, min_idle, reserve;
    std::optional<milliseconds> query_wait_timeout;
    std::optional<read_consistency> consistency;
    std::optional<milliseconds> max_lag;
    friend bool operator==(const overrides&, const overrides&) = default;
};

/// Whether a password is plain text, and so can be shown to others: neither empty nor a verifier.
bool is_plain_password(std::string_view password) noexcept;

/// [users.NAME]; the name "*" stands for everybody else, checked with the cluster's auth_query.
struct user {
    std::string name;
    std::string password;  ///< plain text, "md5..." or "SCRAM-SHA-256$..."; env: and file: are resolved by the loader;
                           ///< empty: none
    std::string server_user;            ///< role on the servers; empty: the same name
    std::string server_password;        ///< plain text; empty: the password, when that is plain text
    std::vector<std::string> clusters;  ///< empty: all
    bool admin = false;                 ///< may use the admin port
    overrides over;
    friend bool operator==(const user&, const user&) = default;
};

/// One line of [[hba]]: the first that matches decides; none given: scram-sha-256 for all.
struct hba_rule {
    bool tls_only = false;              ///< type = "hostssl"
    bool no_tls_only = false;           ///< type = "hostnossl"
    std::vector<std::string> clusters;  ///< empty: all
    std::vector<std::string> users;     ///< empty: all
    std::string address;                ///< CIDR; empty: all
    auth_method method = auth_method::scram_sha_256;
    friend bool operator==(const hba_rule&, const hba_rule&) = default;
};

struct shard {
    std::string name;
    std::vector<endpoint> nodes;
    double weight = 1;  ///< on the ring; 0: it leaves
    friend bool operator==(const shard&, const shard&) = default;
};

/// One entry of [clusters.NAME.tables]. A name may be qualified ("schema.table").
struct table {
    std::string name;
    std::string key;  ///< shard key column; empty for a reference table
    bool reference = false;
    sharding_function function = sharding_function::ring;
    std::map<std::string, std::vector<std::string>>
        map;  ///< shard -> values (list, directory), pairs of bounds (range) or remainders (hash), as text
    std::vector<std::string> further_keys{};  ///< the key's other columns
    bool by_schema = false;                   ///< the key is the name of the table's schema; `name` is "pattern.*"
    bool unlisted_is_error = false;           ///< of a directory: else keys that it does not list stand on the ring
    bool is_compound() const { return !further_keys.empty(); }
    std::string key_title() const;  ///< "id"; "tenant, id"; "schema"
    /// Whether rows of equal keys are on one shard, for keys of one type.
    bool placed_as(const table& other) const;
    friend bool operator==(const table&, const table&) = default;
};

/// [clusters.NAME]; the name "*" serves every other database name.
struct cluster {
    std::string name;
    config::engine engine = config::engine::postgres;
    std::string database;       ///< on the servers; empty: the name clients use
    std::vector<shard> shards;  ///< in the file's order: tables not listed live on the first
    std::vector<table> tables;
    std::vector<std::string> sequences;  ///< that give each shard values of its own; "schema.name", or in any schema
    pool_limits pool;
    read_rules reads;
    tls server_tls;
    config::server_compression server_compression = config::server_compression::off;  ///< of MySQL's protocol
    std::string monitor_user,
        monitor_password;  ///< for health, lag and catalogs; empty: the first user of the cluster with a plain password
    std::string auth_query;  ///< "SELECT usename, passwd FROM pg_shadow WHERE usename=$1" or a function of one's own
    std::string auth_user, auth_password;
    milliseconds health_interval{1000}, watermark_interval{100}, check_timeout{1000};
    milliseconds failover_hold{10'000};
    milliseconds max_ban{60'000};
    std::map<std::string, double> node_weights;                ///< "host:port" -> weight, for balance = "weighted"
    config::key_update key_update = config::key_update::move;  ///< what an UPDATE of a shard key does
    config::two_phase two_phase = config::two_phase::on;       ///< what becomes of writes on a second shard
    bool rebalance = false;                                    ///< whether REBALANCE and MOVE may move rows
    milliseconds cutover_timeout{200};                         ///< how long writes may wait for a rebalance's cutover
    milliseconds cleanup_delay{10'000};                        ///< after it, before the sources' rows are deleted
    milliseconds undo_time{0};                                 ///< how long a rebalance can be taken back; 0: not
    bool hot_keys = true;  ///< whether the keys that come most often are kept, for SHOW SHARDS
    bool is_sharded() const { return shards.size() > 1; }
    friend bool operator==(const cluster&, const cluster&) = default;
};

struct general {
    std::uint32_t workers = 0;  ///< 0: one a core
    std::uint32_t max_clients = 20'000;
    std::string state_dir = "/var/lib/ringway";
    std::string log_level = "info";
    bool log_queries = false;  ///< query texts in the log; never passwords
    milliseconds drain_timeout{30'000};
    milliseconds client_login_timeout{60'000};
    milliseconds client_idle_timeout{0};       ///< 0: never
    milliseconds idle_transaction_timeout{0};  ///< 0: never
    std::uint64_t plan_cache_entries = 10'000;
    std::uint64_t max_parse_bytes =
        1u << 20;  ///< a longer statement is not parsed: primary and pinned, or refused when sharded
    std::uint64_t max_prepared_bytes = 16u << 20;  ///< texts of prepared statements of one client
    friend bool operator==(const general&, const general&) = default;
};

/// The whole file. A value: a reload makes another.
struct settings {
    config::general general;
    config::listen listen;
    tls client_tls;
    std::vector<hba_rule> hba;
    std::vector<user> users;
    std::vector<cluster> clusters;

    const cluster* find_cluster(const std::string& name) const;  ///< exact name, else "*", else null
    const user* find_user(const std::string& name) const;        ///< exact name, else "*", else null
};

}  // namespace ringway::config
