// COM_CHANGE_USER, COM_RESET_CONNECTION and KILL.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "protocol/mysql/command.hpp"
#include "protocol/mysql/reply.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"
#include "router/mysql/lexer.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;
using config::fault_kind;

namespace {

bool may_use(const config::user& who, const std::string& cluster) {
    return who.clusters.empty() || std::any_of(who.clusters.begin(), who.clusters.end(),
                                               [&](const std::string& each) { return each == cluster || each == "*"; });
}

}  // namespace

void session::on_reset(std::uint8_t sequence) {
    if (talk_) {
        auto server = std::move(talk_->server);
        talk_.reset();
        server->reset_needed = true;  // cursors, statements and all
        hand_back(std::move(server), true);
    }
    reset_session();
    send_ok(sequence);
}

bool session::on_change_user(std::string_view payload, std::uint8_t sequence) {
    const auto asked = my::read_change_user(payload, capabilities_);
    if (!asked) {
        violation(1047, "Unknown command");
        return true;
    }
    changing_ = std::make_unique<change_of_user>();
    auto& to = *changing_;
    to.user = asked->user;
    to.database = asked->database;
    to.collation = asked->collation;
    to.settings = home_.owner.current_settings();
    const auto* who = to.settings->find_user(to.user);
    const auto& cluster = who_.cluster->now->config.name;
    if (who && may_use(*who, cluster) && rules_let_in(*to.settings, cluster, to.user)) to.who = who;
    to.proof.emplace(account_of(to.who, to.user, "change user"), new_nonce(), client_.tls() != nullptr, login_key());
    std::string out;
    const auto first = to.proof->first("", {}, out);  // the greeting's challenge is not used twice: asked anew
    if (first != my::auth_server::next::send) {
        finish_changing(first == my::auth_server::next::done, sequence);
        return true;
    }
    std::string packet;
    my::writer(packet, sequence).bytes(out);
    emit(packet);
    phase_ = phase::authenticating;
    return true;
}

bool session::go_on_changing(std::string_view payload, std::uint8_t sequence) {
    std::string out;
    changing_->using_password = changing_->using_password || !payload.empty();
    const auto next = changing_->proof->take(payload, out);
    if (next == my::auth_server::next::send || next == my::auth_server::next::note) {
        std::string packet;
        my::writer(packet, sequence).bytes(out);
        emit(packet);
    }
    if (next == my::auth_server::next::send) return true;
    phase_ = phase::idle;
    finish_changing(next != my::auth_server::next::refused, sequence);
    return phase_ != phase::closed;
}

/// A change is to somebody whom the rules let in by a password.
bool session::rules_let_in(const config::settings& by, const std::string& cluster, const std::string& user) const {
    if (by.hba.empty()) return true;
    const auto* rule = find_rule(by.hba, cluster, user, who_.address, client_.tls() != nullptr);
    return rule && rule->method != config::auth_method::reject && rule->method != config::auth_method::certificate;
}

/// A failed change ends the connection, as servers do.
void session::refuse_change(const change_of_user& to, const std::optional<config::fault>& why, std::uint8_t sequence) {
    const auto number = why ? config::mysql_number(why->kind) : std::uint16_t{1045};
    if (number != 1045) {
        send_error(number, mysql_sqlstate(number), why->message, sequence);
        return close();
    }
    send_error(1045, "28000",
               fmt::format("Access denied for user '{}'@'{}' (using password: {})", to.user, who_.address,
                           to.using_password ? "YES" : "NO"),
               sequence);
    close();
}

void session::finish_changing(bool right, std::uint8_t sequence) {
    auto to = std::move(changing_);
    if (!right || !to->who) return refuse_change(*to, std::nullopt, sequence);
    if (talk_) {
        auto server = std::move(talk_->server);
        talk_.reset();
        hand_back(std::move(server), true);
    }
    phase_ = phase::changing;  // nothing of the client's is taken until the servers have said what they think
    const login_question of{who_.cluster->now->config.name, to->user, to->database, *to->who,
                            secret_of(*to->who, *to->proof)};
    home_.owner.check_login(home_, of,
                            [self = shared_from_this(), to = std::shared_ptr(std::move(to)), secret = of.secret,
                             sequence](const std::optional<config::fault>& why) {
                                if (self->phase_ == phase::closed) return;
                                self->phase_ = phase::idle;
                                if (why) return self->refuse_change(*to, why, sequence);
                                self->become(*to, secret, sequence);
                                self->pump({});
                                self->want_client();
                            });
}

void session::become(const change_of_user& to, const pool::server_secret& secret, std::uint8_t sequence) {
    reset_session();
    knows_servers_ = false;                                       // it may be of another cluster
    auto made = settings_at_login(to.collation, server_traits_);  // a number that is no collation: the server's own
    if (!made) made = settings_at_login(server_traits_.collation, server_traits_);
    if (made) base_ = std::move(made), collation_ = to.collation;
    settings_ = base_;
    database_ = first_database_ = to.database;
    if (to.user != who_.user || to.who->name == "*") {
        who_.user = to.user;
        who_.who = home_.owner.account_for(*who_.cluster, to.user, {}, *to.who, secret);
        who_.session_mode = session_mode_ = who_.who->limits.mode == config::pool_mode::session;
    }
    send_ok(sequence);
}

// ---- KILL -----------------------------------------------------------------------------------------------------------

bool session::on_kill(std::string_view payload) {
    const auto id = my::read_process_kill(payload);
    if (id)
        kill(*id, false);
    else
        violation(1835, "Malformed communication packet");
    return true;
}

bool session::on_kill_statement(const reading& text, std::string_view sql, std::string then) {
    const auto& effects = text.parsed().statements.front().effects;
    const router::effect* found = nullptr;
    for (const auto& each : effects)
        if (each.what == router::effect::kind::kill) found = &each;
    std::uint64_t id = 0;
    // The number is the text's last word: no other form names a client of Ringway's.
    auto end = sql.find_last_of("0123456789");
    auto from = end;
    while (end != std::string_view::npos && from > 0 && sql[from - 1] >= '0' && sql[from - 1] <= '9') --from;
    const auto rest = end == std::string_view::npos ? sql : sql.substr(end + 1);
    const bool read = found && end != std::string_view::npos &&
                      rest.find_first_not_of(" \t\r\n;") == std::string_view::npos &&
                      std::from_chars(sql.data() + from, sql.data() + end + 1, id).ec == std::errc() && from > 0 &&
                      (sql[from - 1] == ' ' || sql[from - 1] == '\t' || sql[from - 1] == '\n');
    if (!read || (found->name != "connection" && found->name != "query")) {
        refuse({fault_kind::unsupported,
                "this form of KILL does not go through Ringway",
                {},
                "KILL [CONNECTION | QUERY] and the id of a client, as CONNECTION_ID() tells it"});
        return true;
    }
    kill(id, found->name == "query", std::move(then));
    return true;
}

/// A text of several statements that begins with a KILL: that is Ringway's to do, and in the text a statement that does
/// nothing takes its place. False: it is none.
bool session::on_kill_before(const reading& text, std::string_view sql) {
    const auto& parsed = text.parsed();
    if (parsed.statements.size() < 2 || parsed.statements.front().verb != router::verb::kill || !parsed.error.empty() ||
        !my::capability::has(capabilities_, my::capability::multi_statements))
        return false;
    router::mysql::lexer words(sql, modes());
    for (auto next = words.next(); next.kind != router::mysql::token_kind::end; next = words.next()) {
        if (next.kind == router::mysql::token_kind::bad) return false;
        if (sql.substr(next.offset, next.length) != ";") continue;
        std::string then;
        std::uint8_t sequence = 0;
        my::write_command(then, sequence, my::command::query, fmt::format("DO 0{}", sql.substr(next.offset)));
        return on_kill_statement(text, sql.substr(0, next.offset), std::move(then));
    }
    return false;
}

/// `then`: the command that answers when it is done.
void session::kill(std::uint64_t id, bool query_only, std::string then) {
    if (id == who_.id) {
        send_error(1317, "70100", "Query execution was interrupted", 1);
        if (!query_only) close();
        return;
    }
    phase_ = phase::asking;  // nothing of the client's is taken until it is done
    home_.owner.kill(home_, id, who_.user, query_only,
                     [self = shared_from_this(), id, then = std::move(then)](bool there) {
                         if (self->phase_ == phase::closed) return;
                         self->phase_ = phase::idle;
                         if (there && !then.empty())
                             self->pending_.insert(0, then);
                         else if (there)
                             self->row_count_ = 0, self->send_ok(1);
                         else
                             self->send_error(1094, "HY000", fmt::format("Unknown thread id: {}", id), 1);
                         self->pump({});
                         self->want_client();
                     });
}

}  // namespace ringway::proxy::mysql
