#include "proxy/rebalance/postgres/link.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace ringway::proxy::rebalance::postgres {

using namespace std::chrono_literals;

namespace {

/// The text forms of values do not depend on anybody's settings, and nothing of ours is cut off for taking its time.
constexpr std::string_view options =
    "options='-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c extra_float_digits=3 -c bytea_output=hex "
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 "
    "-c default_transaction_isolation=read\\\\ committed -c default_transaction_read_only=off "
    "-c default_transaction_deferrable=off -c standard_conforming_strings=on -c xmlbinary=base64 -c search_path=' ";
constexpr auto moment = 100ms;
constexpr std::size_t most_unsent = 256 * 1024;

std::string one_line(const char* text) {
    std::string out(text ? text : "");
    out = out.substr(0, out.find('\n'));
    while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
    constexpr std::string_view prefix = "ERROR:  ";
    if (out.starts_with(prefix)) out.erase(0, prefix.size());
    return out;
}

trouble trouble_of(const PGresult* result) {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    auto text = message ? one_line(message) : one_line(PQresultErrorMessage(result));
    if (detail) text += fmt::format(" ({})", one_line(detail));
    return {state ? state : "", text};
}

bool failed(const PGresult* result) {
    const auto status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_NONFATAL_ERROR;
}

struct clear_result {
    void operator()(PGresult* what) const { PQclear(what); }
};
using owned_result = std::unique_ptr<PGresult, clear_result>;

}  // namespace

rows::rows(pg_result* from) : from_(from, [](pg_result* what) { PQclear(what); }) {}

std::size_t rows::size() const {
    return from_ ? static_cast<std::size_t>(PQntuples(from_.get())) : 0;
}

std::string_view rows::at(std::size_t row, int column) const {
    const auto number = static_cast<int>(row);
    return {PQgetvalue(from_.get(), number, column),
            static_cast<std::size_t>(PQgetlength(from_.get(), number, column))};
}

bool rows::is_null(std::size_t row, int column) const {
    return PQgetisnull(from_.get(), static_cast<int>(row), column) != 0;
}

std::string_view rows::tag() const {
    return from_ ? PQcmdTuples(from_.get()) : std::string_view();
}

stop_signal::stop_signal() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

stop_signal::~stop_signal() {
    if (event_ >= 0) ::close(event_);
}

void stop_signal::raise() noexcept {
    raised_ = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
}

void stop_signal::clear() noexcept {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto got = ::read(event_, &ignored, sizeof ignored);
    raised_ = false;
}

std::string link::quoted(std::string_view text) {
    std::string out = text.find('\\') == std::string_view::npos ? "'" : " E'";
    for (const char c : text) out.append(c == '\'' || c == '\\' ? 2 : 1, c);
    return out + '\'';
}

trouble link::lost(std::string_view what) {
    if (stop_.is_raised()) return {{}, "it is being stopped"};
    const auto why = connection_ ? one_line(PQerrorMessage(connection_)) : std::string("not connected");
    return {{}, why.empty() ? std::string(what) : why};
}

/// False: not within that time, or it is being stopped.
bool link::wait(bool to_write, std::chrono::milliseconds longest) {
    pollfd both[] = {{PQsocket(connection_), static_cast<short>(POLLIN | (to_write ? POLLOUT : 0)), 0},
                     {stop_.descriptor(), POLLIN, 0}};
    const int found = ::poll(both, 2, static_cast<int>(longest.count()));
    return found > 0 && both[1].revents == 0;
}

std::optional<trouble> link::open(const pool::control_login& to, const std::string& application_name,
                                  bool replication) {
    close();
    auto text = pool::connection_text(to, application_name) + std::string(options);
    if (replication) text += "replication=database ";
    connection_ = PQconnectStart(text.c_str());
    if (!connection_ || PQstatus(connection_) == CONNECTION_BAD) {
        auto why = lost("cannot connect");
        close();
        return why;
    }
    const auto until = std::chrono::steady_clock::now() + std::max<std::chrono::milliseconds>(2s, to.connect_timeout);
    for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
        if (std::chrono::steady_clock::now() > until || stop_.is_raised() || state == PGRES_POLLING_FAILED) {
            auto why = state == PGRES_POLLING_FAILED ? lost("cannot connect")
                                                     : trouble{{}, fmt::format("{} does not answer", to.node.text())};
            close();
            return why;
        }
        pollfd both[] = {
            {PQsocket(connection_), static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0},
            {stop_.descriptor(), POLLIN, 0}};
        ::poll(both, 2, static_cast<int>(moment.count()));
        if (both[0].revents != 0) state = PQconnectPoll(connection_);
    }
    PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
    PQsetnonblocking(connection_, 1);
    return std::nullopt;
}

void link::close() {
    if (connection_) PQfinish(connection_);
    connection_ = nullptr;
    statements_.clear();
    pushed_ = unsent_ = 0;
}

std::optional<trouble> link::flush() {
    for (;;) {
        const int left = PQflush(connection_);
        if (left == 0) return std::nullopt;
        if (left < 0) return lost("the connection broke");
        wait(true, moment);
        if (stop_.is_raised()) return lost("");
        if (PQconsumeInput(connection_) == 0) return lost("the connection broke");
    }
}

/// The next result, or null when there is no more.
std::optional<trouble> link::wait_result(pg_result*& out) {
    if (auto why = flush()) return why;
    while (PQisBusy(connection_) != 0) {
        const auto left = until_ - std::chrono::steady_clock::now();
        if (left <= 0ms) {
            close();
            return trouble{{}, "the server's answer took too long"};
        }
        wait(false, std::min(moment, std::chrono::ceil<std::chrono::milliseconds>(left)));
        if (stop_.is_raised()) return lost("");
        if (PQconsumeInput(connection_) == 0) return lost("the connection broke");
    }
    out = PQgetResult(connection_);
    return std::nullopt;
}

std::optional<trouble> link::run(const std::string& sql) {
    rows ignored;
    return ask(sql, ignored);
}

std::optional<trouble> link::ask(const std::string& sql, rows& out) {
    if (!connection_) return trouble{{}, "not connected"};
    if (PQsendQuery(connection_, sql.c_str()) == 0) return lost("the connection broke");
    std::optional<trouble> first;
    for (;;) {
        pg_result* got = nullptr;
        if (auto why = wait_result(got)) return why;
        if (!got) return first;
        if (failed(got) && !first) first = trouble_of(got);
        out = rows(got);
    }
}

std::optional<trouble> link::ask(const std::string& sql, const std::vector<std::string>& parameters, rows& out) {
    if (!connection_) return trouble{{}, "not connected"};
    std::vector<const char*> values;
    for (const auto& each : parameters) values.push_back(each.c_str());
    if (PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                          nullptr, 0) == 0)
        return lost("the connection broke");
    std::optional<trouble> first;
    for (;;) {
        pg_result* got = nullptr;
        if (auto why = wait_result(got)) return why;
        if (!got) return first;
        if (failed(got) && !first) first = trouble_of(got);
        out = rows(got);
    }
}

std::optional<trouble> link::copy_into(const std::string& out_of, link& other, const std::string& into,
                                       const std::atomic<bool>& pause, std::atomic<std::uint64_t>& count,
                                       std::atomic<std::uint64_t>& bytes) {
    for (auto* each : {this, &other}) {
        const auto& sql = each == this ? out_of : into;
        if (PQsendQuery(each->connection_, sql.c_str()) == 0) return each->lost("the connection broke");
        pg_result* got = nullptr;
        if (auto why = each->wait_result(got)) return why;
        const owned_result begun(got);
        if (!got || PQresultStatus(got) != (each == this ? PGRES_COPY_OUT : PGRES_COPY_IN))
            return got && failed(got) ? trouble_of(got) : trouble{"XX000", "COPY did not begin"};
    }
    std::uint64_t here = 0;
    for (;;) {
        while (pause && !stop_.is_raised()) std::this_thread::sleep_for(10ms);
        if (stop_.is_raised()) return lost("");
        char* piece = nullptr;
        const int size = PQgetCopyData(connection_, &piece, 1);
        if (size == 0) {
            wait(false, moment);
            if (PQconsumeInput(connection_) == 0) return lost("the connection broke");
            continue;
        }
        if (size == -1) break;
        if (size < 0) return lost("the connection broke");
        const int sent = PQputCopyData(other.connection_, piece, size);
        PQfreemem(piece);
        if (sent <= 0) return other.lost("the connection broke");
        bytes += static_cast<std::uint64_t>(size);
        here += static_cast<std::uint64_t>(size);
        if (here >= most_unsent) {
            here = 0;
            if (auto why = other.flush()) return why;
        }
    }
    std::string counted;
    for (pg_result* got = nullptr;;) {
        if (auto why = wait_result(got)) return why;
        if (!got) break;
        const owned_result ended(got);
        if (failed(got)) return trouble_of(got);
        counted = PQcmdTuples(got);
    }
    if (PQputCopyEnd(other.connection_, nullptr) <= 0) return other.lost("the connection broke");
    std::string taken;
    for (pg_result* got = nullptr;;) {
        if (auto why = other.wait_result(got)) return why;
        if (!got) break;
        const owned_result ended(got);
        if (failed(got)) return trouble_of(got);
        taken = PQcmdTuples(got);
    }
    if (counted.empty() || counted != taken)
        return trouble{"XX000", fmt::format("{} rows were read and {} written", counted, taken)};
    count += std::strtoull(counted.c_str(), nullptr, 10);
    return std::nullopt;
}

std::optional<trouble> link::start_stream(const std::string& command) {
    if (PQsendQuery(connection_, command.c_str()) == 0) return lost("the connection broke");
    pg_result* got = nullptr;
    if (auto why = wait_result(got)) return why;
    const owned_result begun(got);
    if (got && PQresultStatus(got) == PGRES_COPY_BOTH) return std::nullopt;
    return got && failed(got) ? trouble_of(got) : trouble{"XX000", "the stream did not begin"};
}

link::got link::read_stream(std::string& into, std::chrono::milliseconds longest, trouble& why) {
    for (bool waited = false;; waited = true) {
        char* piece = nullptr;
        const int size = PQgetCopyData(connection_, &piece, 1);
        if (size > 0) {
            into.assign(piece, static_cast<std::size_t>(size));
            PQfreemem(piece);
            return got::message;
        }
        if (size < 0) {
            why = lost("the stream ended");
            pg_result* last = nullptr;
            if (size == -1 && !wait_result(last) && last) {
                const owned_result ended(last);
                if (failed(last)) why = trouble_of(last);
            }
            return got::ended;
        }
        if (waited) return got::nothing;
        if (longest.count() > 0) wait(false, longest);
        if (stop_.is_raised()) {
            why = lost("");
            return got::ended;
        }
        if (PQconsumeInput(connection_) == 0) {
            why = lost("the connection broke");
            return got::ended;
        }
    }
}

std::optional<trouble> link::write_stream(std::string_view bytes) {
    if (PQputCopyData(connection_, bytes.data(), static_cast<int>(bytes.size())) <= 0)
        return lost("the connection broke");
    return flush();
}

std::optional<trouble> link::begin_pipeline() {
    if (PQenterPipelineMode(connection_) == 0) return lost("no pipeline");
    return std::nullopt;
}

std::optional<trouble> link::prepared(const std::string& sql, std::string& name) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) {
        name = found->second;
        return std::nullopt;
    }
    name = fmt::format("m{}", statements_.size());
    statements_.emplace(sql, name);
    if (PQsendPrepare(connection_, name.c_str(), sql.c_str(), 0, nullptr) == 0) return lost("the connection broke");
    ++pushed_;
    return std::nullopt;
}

std::optional<trouble> link::push(const std::string& sql, std::span<const char* const> values) {
    std::string name;
    if (auto why = prepared(sql, name)) return why;
    if (PQsendQueryPrepared(connection_, name.c_str(), static_cast<int>(values.size()), values.data(), nullptr, nullptr,
                            0) == 0)
        return lost("the connection broke");
    ++pushed_;
    for (const char* each : values) unsent_ += each ? std::char_traits<char>::length(each) : 1;
    if (unsent_ < most_unsent) return std::nullopt;
    unsent_ = 0;
    return flush();
}

/// All results of what was pushed: each is followed by a null, and the last is of the sync itself.
std::optional<trouble> link::sync() {
    if (PQpipelineSync(connection_) == 0) return lost("the connection broke");
    std::optional<trouble> first;
    for (;;) {
        pg_result* got = nullptr;
        if (auto why = wait_result(got)) return why;
        if (!got) {
            if (PQstatus(connection_) == CONNECTION_BAD) return lost("the connection broke");
            continue;
        }
        const owned_result one(got);
        if (PQresultStatus(got) == PGRES_PIPELINE_SYNC) break;
        if (failed(got) && !first) first = trouble_of(got);
    }
    pushed_ = unsent_ = 0;
    return first;
}

}  // namespace ringway::proxy::rebalance::postgres
