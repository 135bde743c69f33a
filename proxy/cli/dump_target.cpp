#include "proxy/cli/dump_target.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace ringway::proxy::cli {

namespace {

std::string trimmed(std::string text) {
    text.erase(text.find_last_not_of(" \n") + 1);
    return text;
}

/// What servers tell beside their answers.
void show_notice(void* /*nothing*/, const char* text) {
    std::fputs(text, stderr);
}

}  // namespace

std::uint64_t refusal::data_line() const {
    constexpr std::string_view mark = ", line ";
    const auto at = context.find(mark);
    std::uint64_t out = 0;
    if (!context.starts_with("COPY ") || at == std::string::npos) return 0;
    const auto* from = context.data() + at + mark.size();
    std::from_chars(from, context.data() + context.size(), out);
    return out;
}

std::string refusal::shown() const {
    auto out = sqlstate.empty() ? message : fmt::format("{} ({})", message, sqlstate);
    if (!detail.empty()) out += "\n  detail: " + detail;
    if (!hint.empty()) out += "\n  hint: " + hint;
    if (!context.empty()) out += "\n  context: " + context;
    return out;
}

dump_target::dump_target() = default;

dump_target::~dump_target() {
    if (connection_) PQfinish(connection_);
}

bool dump_target::fail_connection() {
    failure_ = {{}, connection_ ? trimmed(PQerrorMessage(connection_)) : "out of memory", {}, {}, {}};
    return false;
}

bool dump_target::open(const connection_target& to) {
    connection_ = PQconnectdb(connection_string(to).c_str());
    if (!connection_ || PQstatus(connection_) != CONNECTION_OK) return fail_connection();
    PQsetNoticeProcessor(connection_, show_notice, nullptr);
    return true;
}

bool dump_target::lost() const {
    return PQstatus(connection_) != CONNECTION_OK;
}

/// Of several answers the last counts, but for an error.
bool dump_target::take(PGresult* result) {
    bool worked = true;
    for (auto* each = result; each; each = PQgetResult(connection_)) {
        const auto status = PQresultStatus(each);
        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
            tag_ = PQcmdStatus(each);
            const std::string_view count = PQcmdTuples(each);
            counted_ = 0;
            std::from_chars(count.data(), count.data() + count.size(), counted_);
        } else if (status == PGRES_COPY_IN) {
            PQclear(each);
            return worked;
        } else if (worked) {
            const auto field = [each](int code) {
                const char* text = PQresultErrorField(each, code);
                return std::string(text ? text : "");
            };
            failure_ = {field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY), field(PG_DIAG_MESSAGE_DETAIL),
                        field(PG_DIAG_MESSAGE_HINT), field(PG_DIAG_CONTEXT)};
            if (failure_.message.empty()) failure_.message = trimmed(PQresultErrorMessage(each));
            worked = false;
        }
        PQclear(each);
        if (PQstatus(connection_) != CONNECTION_OK) break;
    }
    if (!result) return fail_connection();
    return worked;
}

bool dump_target::run(const std::string& sql) {
    if (!PQsendQuery(connection_, sql.c_str())) return fail_connection();
    return take(PQgetResult(connection_));
}

bool dump_target::begin_copy(const std::string& sql) {
    return run(sql);
}

bool dump_target::put(std::string_view rows) {
    // libpq waits by itself until the socket takes what is left of them.
    constexpr std::size_t most = 1u << 20;
    for (; !rows.empty(); rows.remove_prefix(std::min(most, rows.size())))
        if (PQputCopyData(connection_, rows.data(), static_cast<int>(std::min(most, rows.size()))) != 1)
            return fail_connection();
    return true;
}

bool dump_target::end_copy(const std::string& why) {
    if (PQputCopyEnd(connection_, why.empty() ? nullptr : why.c_str()) != 1) return fail_connection();
    return take(PQgetResult(connection_));
}

}  // namespace ringway::proxy::cli
