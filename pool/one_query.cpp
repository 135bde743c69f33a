#include "pool/one_query.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "protocol/postgres/message.hpp"

namespace ringway::pool {

namespace asio = boost::asio;
namespace pg = protocol::postgres;

namespace {

constexpr std::size_t most_bytes = 1u << 20;

void write_question(std::string& out, const question& what) {
    std::string rest;
    const auto i16 = [&rest](std::size_t v) {
        rest += static_cast<char>(v >> 8);
        rest += static_cast<char>(v & 0xff);
    };
    i16(0);
    i16(what.parameters.size());
    for (const auto& value : what.parameters) {
        const auto n = static_cast<std::uint32_t>(value.size());
        for (const int shift : {24, 16, 8, 0}) rest += static_cast<char>((n >> shift) & 0xff);
        rest += value;
    }
    i16(0);
    pg::write_parse(out, {}, what.sql, {});
    pg::write_bind_head(out, {}, {}, rest.size());
    out += rest;
    pg::write_execute(out, {}, 0);
}

/// Takes whole messages off the front of `bytes`. True once the answer is complete.
/// `set`: of which question the rows are.
bool take(std::string& bytes, query_answers& answer, std::size_t& set) {
    pg::frame_header header;
    std::size_t done = 0;
    bool ready = false;
    while (!ready && pg::read_header(std::string_view(bytes).substr(done), header) == pg::header_state::ready &&
           bytes.size() - done >= header.total()) {
        const auto body = std::string_view(bytes).substr(done + pg::header_size, header.body());
        if (header.type == 'D' && set < answer.sets.size()) {
            pg::reader in(body);
            auto& row = answer.sets[set].emplace_back();
            for (int i = in.i16(); i > 0 && in.ok(); --i) {
                const auto n = in.i32();
                row.push_back(n < 0 ? std::nullopt : std::optional<std::string>(in.bytes(static_cast<std::size_t>(n))));
            }
        } else if (header.type == 'C' || header.type == 'I') {
            ++set;
        } else if (header.type == 'E') {
            const auto error = pg::read_error(body);
            answer.failure = config::fault{
                config::fault_kind::cannot_connect, error ? std::string(error->get('M')) : "unreadable error", {}, {}};
        }
        ready = header.type == 'Z';
        done += header.total();
    }
    bytes.erase(0, done);
    return ready;
}

}  // namespace

asio::awaitable<query_answers> run_queries(asio::io_context& on, std::shared_ptr<const server_target> target,
                                           std::vector<question> questions) {
    query_answers answer;
    answer.sets.resize(questions.size());
    auto login = co_await log_in(on, target);
    if (!login.ok()) {
        answer.failure = std::move(login.failure);
        co_return answer;
    }
    asio::steady_timer timer(on, target->connect_timeout);
    timer.async_wait([&socket = *login.socket](const boost::system::error_code& error) {
        if (error) return;
        boost::system::error_code ignored;
        socket.close(ignored);
    });
    std::string out, in;
    for (const auto& each : questions) write_question(out, each);
    pg::write_sync(out);
    pg::write_terminate(out);
    std::size_t set = 0;
    if (login.tls) {
        std::string sealed;
        login.tls->encrypt(out, sealed);
        out = std::move(sealed);
    }
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asio::async_write(*login.socket, asio::buffer(out), token);
    std::array<char, 8192> raw{};
    bool done = false;
    while (!error && !done && in.size() < most_bytes) {
        const auto n = co_await login.socket->async_read_some(asio::buffer(raw), token);
        if (error) break;
        if (login.tls) {
            std::string reply;
            login.tls->decrypt(std::string_view(raw.data(), n), in, reply);
        } else {
            in.append(raw.data(), n);
        }
        done = take(in, answer, set);
    }
    if (!done && !answer.failure)
        answer.failure = config::fault{config::fault_kind::cannot_connect,
                                       fmt::format("server {} did not answer", target->address.text()),
                                       {},
                                       {}};
    timer.cancel();
    co_await asio::post(on, asio::use_awaitable);  // lets the timer's handler go before the socket it names
    co_return answer;
}

}  // namespace ringway::pool
