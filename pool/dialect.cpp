#include "pool/dialect.hpp"

#include "pool/mysql_server.hpp"
#include "pool/server.hpp"
#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

namespace ringway::pool {

namespace {

class postgres_dialect final : public dialect {
  public:
    boost::asio::awaitable<server_login> log_in(boost::asio::io_context& on,
                                                std::shared_ptr<const server_target> target,
                                                std::uint64_t) const override {
        return ringway::pool::log_in(on, std::move(target));
    }
    std::string_view goodbye() const noexcept override { return {"X\0\0\0\4", 5}; }

    /// Notices and parameter changes are read and dropped; an error or half a message ends the connection.
    bool idle_bytes(server& from, std::string_view bytes) const override {
        namespace pg = protocol::postgres;
        while (!bytes.empty()) {
            pg::frame_header header;
            const bool whole = pg::read_header(bytes, header) == pg::header_state::ready &&
                               bytes.size() >= header.total() &&
                               (header.type == 'N' || header.type == 'S' || header.type == 'A');
            if (!whole) return false;
            if (header.type == 'S') {
                pg::reader in(bytes.substr(pg::header_size, header.body()));
                const auto name = in.text(), value = in.text();
                for (auto& entry : from.parameters)
                    if (entry.first == name) entry.second = value;
            }
            bytes.remove_prefix(header.total());
        }
        return true;
    }
};

}  // namespace

const dialect& dialect_of(config::engine which) noexcept {
    if (which == config::engine::mysql) return mysql_dialect();
    static const postgres_dialect postgres;
    return postgres;
}

}  // namespace ringway::pool
