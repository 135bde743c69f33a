#pragma once
// The words of the file for the settings' enumerations.

#include <array>
#include <string_view>

#include "config/settings.hpp"

namespace ringway::config::source {

template <typename Value>
struct word {
    std::string_view text;
    Value value;
    bool listed = true;  ///< false: another spelling, understood but not proposed
};

inline constexpr std::array engine_words{word<engine>{"postgres", engine::postgres},
                                         word<engine>{"mysql", engine::mysql}};

inline constexpr std::array pool_mode_words{word<pool_mode>{"transaction", pool_mode::transaction},
                                            word<pool_mode>{"session", pool_mode::session}};

inline constexpr std::array consistency_words{word<read_consistency>{"session", read_consistency::session},
                                              word<read_consistency>{"eventual", read_consistency::eventual},
                                              word<read_consistency>{"bounded", read_consistency::bounded},
                                              word<read_consistency>{"primary", read_consistency::primary}};

inline constexpr std::array balance_words{
    word<balance>{"round_robin", balance::round_robin}, word<balance>{"least_connections", balance::least_connections},
    word<balance>{"weighted", balance::weighted}, word<balance>{"random", balance::random}};

inline constexpr std::array no_replica_words{word<no_replica>{"primary", no_replica::primary},
                                             word<no_replica>{"error", no_replica::error}};

/// Towards servers: libpq's sslmode.
inline constexpr std::array server_tls_words{word<tls_mode>{"disable", tls_mode::disable},
                                             word<tls_mode>{"allow", tls_mode::allow},
                                             word<tls_mode>{"prefer", tls_mode::prefer},
                                             word<tls_mode>{"require", tls_mode::require},
                                             word<tls_mode>{"verify-ca", tls_mode::verify_ca},
                                             word<tls_mode>{"verify-full", tls_mode::verify_full},
                                             word<tls_mode>{"verify_ca", tls_mode::verify_ca, false},
                                             word<tls_mode>{"verify_full", tls_mode::verify_full, false}};

inline constexpr std::array server_compression_words{word<server_compression>{"off", server_compression::off},
                                                     word<server_compression>{"zlib", server_compression::zlib},
                                                     word<server_compression>{"zstd", server_compression::zstd}};

/// Towards clients.
inline constexpr std::array client_tls_words{
    word<tls_mode>{"disable", tls_mode::disable}, word<tls_mode>{"allow", tls_mode::allow},
    word<tls_mode>{"require", tls_mode::require}, word<tls_mode>{"verify-ca", tls_mode::verify_ca},
    word<tls_mode>{"verify_ca", tls_mode::verify_ca, false}};

inline constexpr std::array tls_version_words{word<std::string_view>{"1.2", "1.2"},
                                              word<std::string_view>{"1.3", "1.3"}};

inline constexpr std::array function_words{word<sharding_function>{"ring", sharding_function::ring},
                                           word<sharding_function>{"hash", sharding_function::hash},
                                           word<sharding_function>{"range", sharding_function::range},
                                           word<sharding_function>{"list", sharding_function::list},
                                           word<sharding_function>{"directory", sharding_function::directory}};

inline constexpr std::array key_update_words{word<key_update>{"move", key_update::move},
                                             word<key_update>{"refuse", key_update::refuse}};

/// `off` could only mean the same: without two phases the writes of one transaction would be on some shards only.
inline constexpr std::array two_phase_words{word<two_phase>{"on", two_phase::on},
                                            word<two_phase>{"error", two_phase::error},
                                            word<two_phase>{"off", two_phase::error, false}};

/// Whether a directory's unlisted keys are a mistake.
inline constexpr std::array unlisted_words{word<bool>{"ring", false}, word<bool>{"error", true}};

inline constexpr std::array method_words{word<auth_method>{"trust", auth_method::trust},
                                         word<auth_method>{"scram-sha-256", auth_method::scram_sha_256},
                                         word<auth_method>{"md5", auth_method::md5},
                                         word<auth_method>{"plain", auth_method::plain},
                                         word<auth_method>{"certificate", auth_method::certificate},
                                         word<auth_method>{"reject", auth_method::reject},
                                         word<auth_method>{"password", auth_method::plain, false},
                                         word<auth_method>{"cert", auth_method::certificate, false}};

enum class connection_type : std::uint8_t { host, hostssl, hostnossl };

inline constexpr std::array connection_type_words{word<connection_type>{"host", connection_type::host},
                                                  word<connection_type>{"hostssl", connection_type::hostssl},
                                                  word<connection_type>{"hostnossl", connection_type::hostnossl}};

/// spdlog's levels.
inline constexpr std::array log_level_words{
    word<std::string_view>{"trace", "trace"}, word<std::string_view>{"debug", "debug"},
    word<std::string_view>{"info", "info"},   word<std::string_view>{"warning", "warning"},
    word<std::string_view>{"error", "error"}, word<std::string_view>{"critical", "critical"},
    word<std::string_view>{"off", "off"},     word<std::string_view>{"warn", "warning", false}};

}  // namespace ringway::config::source
