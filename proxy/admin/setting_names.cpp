#include "proxy/admin/setting_names.hpp"

#include <fmt/format.h>

namespace ringway::proxy::admin {

std::string_view name_of(config::engine what) noexcept {
    return what == config::engine::mysql ? "mysql" : "postgres";
}

std::string_view name_of(config::pool_mode what) noexcept {
    return what == config::pool_mode::session ? "session" : "transaction";
}

std::string_view name_of(config::read_consistency what) noexcept {
    switch (what) {
        case config::read_consistency::session:
            return "session";
        case config::read_consistency::eventual:
            return "eventual";
        case config::read_consistency::bounded:
            return "bounded";
        case config::read_consistency::primary:
            break;
    }
    return "primary";
}

std::string_view name_of(config::balance what) noexcept {
    switch (what) {
        case config::balance::round_robin:
            return "round_robin";
        case config::balance::least_connections:
            return "least_connections";
        case config::balance::weighted:
            return "weighted";
        case config::balance::random:
            break;
    }
    return "random";
}

std::string_view name_of(config::key_update what) noexcept {
    return what == config::key_update::move ? "move" : "refuse";
}

std::string_view name_of(config::two_phase what) noexcept {
    return what == config::two_phase::on ? "on" : "error";
}

std::string_view name_of(config::no_replica what) noexcept {
    return what == config::no_replica::error ? "error" : "primary";
}

std::string_view name_of(config::tls_mode what) noexcept {
    switch (what) {
        case config::tls_mode::disable:
            return "disable";
        case config::tls_mode::allow:
            return "allow";
        case config::tls_mode::prefer:
            return "prefer";
        case config::tls_mode::require:
            return "require";
        case config::tls_mode::verify_ca:
            return "verify-ca";
        case config::tls_mode::verify_full:
            break;
    }
    return "verify-full";
}

std::string_view name_of(config::server_compression what) noexcept {
    switch (what) {
        case config::server_compression::zlib:
            return "zlib";
        case config::server_compression::zstd:
            return "zstd";
        case config::server_compression::off:
            break;
    }
    return "off";
}

std::string text_of(std::chrono::milliseconds length) {
    const auto n = length.count();
    if (n == 0) return "0";
    if (n % 3'600'000 == 0) return fmt::format("{}h", n / 3'600'000);
    if (n % 60'000 == 0) return fmt::format("{}m", n / 60'000);
    if (n % 1000 == 0) return fmt::format("{}s", n / 1000);
    return fmt::format("{}ms", n);
}

}  // namespace ringway::proxy::admin
