// A client's client_encoding: which of its texts can be read and hashed, and what may be shared with others.

#include "proxy/session/encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/algorithm/string/predicate.hpp>
#include <functional>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;
using router::value_source;

text_encoding encoding_of(std::string_view name) noexcept {
    static constexpr std::string_view hiding[] = {"SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"};
    if (name == "UTF8") return text_encoding::utf8;
    const bool hides = std::find(std::begin(hiding), std::end(hiding), name) != std::end(hiding);
    return hides ? text_encoding::hidden : text_encoding::bytes;
}

namespace {

/// The text's names and operators, without its literals.
bool is_ascii_outside(std::span<const router::literal> literals, std::string_view text) {
    std::size_t from = 0;
    for (const auto& each : literals) {
        if (each.offset < from || each.offset + each.length > text.size()) return is_ascii(text);
        if (!is_ascii(text.substr(from, each.offset - from))) return false;
        from = each.offset + each.length;
    }
    return is_ascii(text.substr(from));
}

bool is_text(router::key_type type) {
    return type == router::key_type::text || type == router::key_type::bpchar;
}

/// The values that are hashed.
bool has_ascii_keys(const router::plan& plan, const router::values& with) {
    for (const auto& recipe : plan.keys)
        for (const auto& each : recipe.values) {
            if (each.what == value_source::from::literal && each.index < with.literals.size()) {
                const auto& at = with.literals[each.index];
                if (!is_ascii(with.text.substr(at.offset, at.length))) return false;
            } else if (each.what == value_source::from::parameter && each.index < with.parameters.size()) {
                const auto& given = with.parameters[each.index];
                if (!given.is_null && (!given.binary || is_text(recipe.type)) && !is_ascii(given.bytes)) return false;
            }
        }
    return true;
}

}  // namespace

/// For clients whose encoding is not UTF8: what its text may be taken for.
std::optional<fault> session::check_encoding(const router::plan& plan, const router::values& with, destination& out) {
    const bool sharded = who_.cluster->now->map->is_sharded();
    const bool readable =
        encoding_ == text_encoding::hidden ? is_ascii(with.text) : is_ascii_outside(with.literals, with.text);
    out.need = readable ? router::need::any : router::need::primary;  // the catalogs spell names in UTF8
    if (!sharded) return std::nullopt;
    if (readable && has_ascii_keys(plan, with)) return std::nullopt;
    return fault{fault_kind::unsupported,
                 fmt::format("this statement has {} that are not ASCII, and client_encoding is {}",
                             readable ? "shard keys" : "names or texts", encoding_name()),
                 "Shards are found by the bytes of UTF8.", "SET client_encoding = 'UTF8'"};
}

std::string_view session::encoding_name() const {
    for (const auto& [name, value] : *told_)
        if (name == "client_encoding") return value;
    return "not known";
}

/// The server has told of a change. What stands in the old encoding is lost or stays on this connection, for another
/// one would read it in the new.
void session::follow_encoding(std::string_view name) {
    encoding_ = encoding_of(name);
    bool kept = false;
    for (const auto& [setting, statement] : settings_->entries()) kept |= !is_ascii(statement);
    if (unnamed_ && !is_ascii(unnamed_->text->query)) {
        if (talk_->server->unnamed == unnamed_->text)
            kept = true;
        else
            unnamed_.reset();
    }
    std::vector<std::string> lost;
    if (statements_)
        for (const auto& [prepared_as, what] : *statements_) {
            if (is_ascii(what->text->query)) continue;
            if (talk_->server->statements.touch(*what->text))
                kept = true;
            else
                lost.push_back(prepared_as);
        }
    for (const auto& each : lost) forget_statement(each);
    if (kept) pin("settings or statements in another client_encoding");
}

namespace {

/// Whether a literal may stand for the time at which it is read.
bool names_a_moment(std::string_view query) {
    constexpr std::string_view words[] = {"now", "today", "tomorrow", "yesterday"};
    for (auto at = query.find('\''); at != std::string_view::npos; at = query.find('\'', at + 1))
        for (const auto word : words) {
            auto from = query.substr(at + 1);
            while (!from.empty() && (from[0] == ' ' || from[0] == '{' || from[0] == '"')) from.remove_prefix(1);
            if (boost::algorithm::istarts_with(from, word)) return true;
        }
    return false;
}

}  // namespace

/// Equal bytes are equal statements only for those who read them alike, now and with their settings.
pool::prepared_ref session::prepared_of(std::string_view query, std::string_view types, bool named) const {
    const auto& cluster = *who_.cluster;
    const bool own_reading = talk_ && (talk_->ddl || talk_->local_reading);
    const bool own_tables = std::find(pins_.begin(), pins_.end(), "temporary table") != pins_.end();
    if (!named || own_reading || own_tables || (encoding_ != text_encoding::utf8 && !is_ascii(query)) ||
        names_a_moment(query))
        return pool::lone_prepared(query, types);
    std::uint64_t scope = cluster.now->schema->load(std::memory_order_acquire);
    for (const auto part : {cluster.catalog ? cluster.catalog->version : 0, settings_->reading(),
                            static_cast<std::uint64_t>(std::hash<std::string>{}(search_path_)),
                            static_cast<std::uint64_t>(conforming_strings_)})
        scope = scope * 0x9E3779B97F4A7C15u + part;
    return pool::share_prepared(query, types, scope);
}

}  // namespace ringway::proxy
