// Clients of the admin port that speak MySQL's protocol: the same commands, a result set for each.

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "protocol/mysql/command.hpp"
#include "protocol/mysql/packet.hpp"
#include "protocol/mysql/reply.hpp"
#include "protocol/mysql/result.hpp"
#include "proxy/admin/connection.hpp"
#include "proxy/cli/version.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"
#include "router/lexical.hpp"

namespace ringway::proxy::admin {

namespace {

namespace my = protocol::mysql;

constexpr auto between_looks = std::chrono::milliseconds(20);  ///< at a PAUSE that waits
constexpr std::size_t most_bytes = 1u << 20;                   ///< of a command

my::field_type type_of(column_type what) {
    switch (what) {
        case column_type::int4:
        case column_type::int8:
            return my::field_type::int64;
        case column_type::float8:
            return my::field_type::float64;
        case column_type::numeric:
            return my::field_type::new_decimal;
        default:
            return my::field_type::var_string;
    }
}

/// What clients ask for by themselves: nullopt, it is a command. A column's name without a value: an OK.
struct question {
    std::string_view column, value;
};
std::optional<question> asked_by_drivers(std::string_view sql) {
    std::string words;
    for (const char c : sql.substr(0, 200)) words += router::lexical::lower(c);
    while (!words.empty() && (words.back() == ';' || words.back() == ' ' || words.back() == '\n')) words.pop_back();
    if (words == "select @@version_comment limit 1") return question{"@@version_comment", "Ringway's admin port"};
    if (words == "select database()") return question{"DATABASE()", "ringway"};
    if (words == "select @@version" || words == "select version()") return question{"version", version};
    if (words.starts_with("set ") || words == "commit" || words == "rollback" || words == "begin") return question{};
    return std::nullopt;
}

/// One client. Keeps itself alive while its link is open or its command is under way.
class mysql_client final : public pool::wire_owner, public std::enable_shared_from_this<mysql_client> {
  public:
    mysql_client(worker& home, desk& of) : home_(home), desk_(of) {}

    void start(mysql::admitted from) {
        capabilities_ = from.capabilities;
        link_.open(*home_.loop, std::move(from.socket), this);
        self_ = shared_from_this();
        if (from.tls) link_.start_tls(std::move(from.tls));
        sequence_ = from.sequence;
        ok();
        input_ = std::move(from.early);
        advance();
    }

    void wire_readable(pool::wire&) override {
        const auto keep = shared_from_this();
        std::string_view bytes;
        while (link_.is_open() && !running_) {
            const auto got = link_.read(bytes);
            if (got == pool::wire::got::end) return end();
            if (got == pool::wire::got::would_block) return link_.want_read();
            input_.append(bytes);
            advance();
        }
    }
    void wire_drained(pool::wire&) override {}
    void wire_broken(pool::wire&) override { end(); }

  private:
    void end() {
        link_.close_after_write();
        self_.reset();  // the caller still holds one
    }

    void ok() {
        std::string out;
        my::ok_reply said;
        said.status = my::status::autocommit;
        my::write_ok(out, sequence_, said, capabilities_);
        link_.write(out);
    }

    void fail(std::uint16_t number, std::string_view message) {
        std::string out;
        my::write_error(out, sequence_, {number, mysql::mysql_sqlstate(number), message}, capabilities_);
        link_.write(out);
    }

    void advance() {
        my::packet_header header;
        while (link_.is_open() && !running_ && my::read_header(input_, header)) {
            if (header.length == 0 || header.total() > most_bytes) {
                sequence_ = 1;
                fail(1153, "Got a packet bigger than 'max_allowed_packet' bytes");
                return end();
            }
            if (input_.size() < header.total()) break;
            const auto payload = input_.substr(my::header_size, header.length);
            input_.erase(0, header.total());
            sequence_ = static_cast<std::uint8_t>(header.sequence + 1);
            if (!take(payload)) return end();
        }
        if (link_.is_open() && !running_) link_.want_read();
    }

    bool take(std::string_view payload) {
        switch (static_cast<my::command>(payload.front())) {
            case my::command::quit:
                return false;
            case my::command::ping:
            case my::command::init_db:
            case my::command::reset_connection:
            case my::command::set_option:
                ok();
                return true;
            case my::command::query:
                query(payload.substr(1));
                return true;
            default:
                fail(1047, "Unknown command");
                return true;
        }
    }

    void query(std::string_view sql) {
        if (const auto asked = asked_by_drivers(sql)) {
            if (asked->column.empty()) return ok();
            table one;
            one.columns.push_back({asked->column, column_type::text});
            one.rows.push_back({cell(std::string(asked->value))});
            return answer(one);
        }
        auto read = parse_command(sql);
        if (read.error) return refuse(*read.error);
        if (read.value.parameters() > 0) return fail(1064, "this is no prepared statement: write the values out");
        if (read.value.reply) return answer(*read.value.reply);
        if (read.value.is_immediate()) return ok();
        running_ = true;
        boost::asio::post(*desk_.threads, [self = shared_from_this(), what = std::move(read.value)] {
            const auto began = std::chrono::steady_clock::now();
            self->finish(what, began, std::make_shared<result>(self->desk_.commands.run(what)));
        });
    }

    /// On a control thread, as for PostgreSQL's clients.
    void finish(const command& what, std::chrono::steady_clock::time_point began, std::shared_ptr<result> given) {
        if (!desk_.commands.done(what, began, *given)) {
            auto timer = std::make_shared<boost::asio::steady_timer>(*desk_.threads, between_looks);
            timer->async_wait([self = shared_from_this(), timer, what, began, given](const auto& error) {
                if (!error) self->finish(what, began, given);
            });
            return;
        }
        home_.post([self = shared_from_this(), given] {
            self->running_ = false;
            if (!self->link_.is_open()) return;
            if (const auto* refused = std::get_if<config::fault>(given.get()))
                self->refuse(*refused);
            else
                self->answer(std::get<table>(*given));
            self->advance();
        });
    }

    void refuse(const config::fault& why) {
        auto message = why.message;
        if (!why.detail.empty()) message += " (" + why.detail + ")";
        if (!why.hint.empty()) message += "; hint: " + why.hint;
        fail(config::mysql_number(why.kind), message);
    }

    void answer(const table& from) {
        if (from.columns.empty()) return ok();
        std::vector<my::column_definition> columns;
        for (const auto& each : from.columns) {
            my::column_definition made;
            made.name = each.name;
            made.type = type_of(each.type);
            columns.push_back(made);
        }
        std::string out;
        my::write_result_head(out, sequence_, columns, my::status::autocommit, capabilities_);
        std::vector<my::text_value> values;
        for (const auto& row : from.rows) {
            values.assign(row.begin(), row.end());
            my::write_text_row(out, sequence_, values);
        }
        my::write_result_end(out, sequence_, my::status::autocommit, 0, capabilities_);
        link_.write(out);
    }

    worker& home_;
    desk& desk_;
    pool::wire link_;
    std::string input_;
    my::capability::flags capabilities_ = 0;
    std::uint8_t sequence_ = 0;
    bool running_ = false;
    std::shared_ptr<mysql_client> self_;  ///< while the link is open
};

}  // namespace

void desk::serve(worker& home, mysql::admitted from) {
    std::make_shared<mysql_client>(home, *this)->start(std::move(from));
}

}  // namespace ringway::proxy::admin
