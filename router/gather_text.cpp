// The statements that bring rows together on one server.

#include <fmt/format.h>

#include <algorithm>

#include "router/gather.hpp"
#include "router/postgres/lexical.hpp"

namespace ringway::router {

namespace {

std::string column_list(const gathered_table& table) {
    if (table.all) return "*";
    std::string out;
    for (const auto& each : table.columns) out += (out.empty() ? "" : ", ") + quoted_name(each);
    return out;
}

std::string rows_of(const gathered_table& table, const std::string& filter) {
    return fmt::format("SELECT {} FROM {}.{}{}", column_list(table), quoted_name(table.schema), quoted_name(table.name),
                       filter);
}

std::string stand_in(const gathered_table& table, const std::string& filter, bool with_keys) {
    if (!with_keys)
        return fmt::format("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}", quoted_name(table.name),
                           rows_of(table, filter));
    return fmt::format(
        "CREATE TEMPORARY TABLE {0} (LIKE {1}.{0} INCLUDING INDEXES) ON COMMIT DROP; INSERT INTO pg_temp.{0} {2}",
        quoted_name(table.name), quoted_name(table.schema), rows_of(table, filter));
}

/// As the server reads a name: in lower case, or without its quotes.
std::string name_of(std::string_view written) {
    std::string out;
    if (!written.starts_with('"')) {
        for (const char c : written) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        return out;
    }
    for (std::size_t i = 1; i + 1 < written.size(); ++i) {
        out += written[i];
        if (written[i] == '"') ++i;
    }
    return out;
}

}  // namespace

std::vector<qualified_use> qualified_names(std::string_view text, std::span<const literal> literals) {
    using postgres::token_kind;
    std::vector<qualified_use> out;
    postgres::token_reader in(text, literals);
    const auto is_name = [](const postgres::token& what) {
        return what.kind == token_kind::word || what.kind == token_kind::quoted_name;
    };
    const auto is_symbol = [&](const postgres::token& what, char c) {
        return what.kind == token_kind::symbol && text[what.offset] == c;
    };
    postgres::token before, schema = in.next(), dot = in.next(), name = in.next();
    while (schema.kind != token_kind::end) {
        const auto after = in.next();
        if (is_name(schema) && is_symbol(dot, '.') && is_name(name) && !is_symbol(before, '.'))
            out.push_back({name_of(in.text_of(schema)),
                           name_of(in.text_of(name)),
                           {schema.offset, name.offset - schema.offset},
                           is_symbol(after, '(') || is_symbol(before, ':')});
        before = schema, schema = dot, dot = name, name = after;
    }
    return out;
}

std::string without_schemas(std::string_view text, std::span<const literal> literals, const gather_recipe& all) {
    std::string out(text);
    const auto stands_in = [](const auto& in, const qualified_use& use) {
        return std::any_of(in.begin(), in.end(),
                           [&](const auto& each) { return each.schema == use.schema && each.name == use.name; });
    };
    for (const auto& each : qualified_names(text, literals))
        if (stands_in(all.tables, each) || stands_in(all.views, each))
            std::fill_n(out.begin() + each.qualifier.offset, each.qualifier.length, ' ');
    return out;
}

cursor_texts cursor_over(std::string_view text, std::span<const literal> literals, std::string_view table) {
    using postgres::token_kind;
    postgres::token_reader in(text, literals);
    std::uint32_t after = 0;
    for (auto each = in.next(), before = each; each.kind != token_kind::end && after == 0; each = in.next()) {
        const bool follows = in.is(before, "cursor") || in.is(before, "hold");
        if (in.is(each, "for") && follows) after = each.stop();
        before = each;
    }
    if (after == 0) return {};
    const auto name = quoted_name(table);
    auto query = text.substr(after);
    while (!query.empty() && (query.back() == ';' || query.back() == ' ' || query.back() == '\n'))
        query.remove_suffix(1);
    // A comment to the end of the line may be the query's last: nothing of ours stands behind it.
    return {fmt::format("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}", name, query),
            fmt::format("{} TABLE pg_temp.{}", text.substr(0, after), name)};
}

bool outlives_ddl(const gather_recipe& all) {
    return all.views.empty() &&
           std::all_of(all.tables.begin(), all.tables.end(), [](const gathered_table& each) { return each.all; });
}

std::string stand_ins(const gather_recipe& all, const std::vector<std::string>& filters) {
    std::string out;
    for (std::size_t i = 0; i < all.tables.size(); ++i)
        out += (i ? "; " : "") + stand_in(all.tables[i], filters[i], all.keys);
    for (const auto& each : all.views)
        out += fmt::format("; CREATE TEMPORARY VIEW {} AS {}", quoted_name(each.name), each.definition);
    return out;
}

std::string prepare_stand_ins(const gather_recipe& all) {
    std::string out;
    for (const auto& table : all.tables)
        for (const auto& columns : table.probed) {
            std::string list;
            for (const auto& each : columns) list += (list.empty() ? "" : ", ") + quoted_name(each);
            out += fmt::format("CREATE INDEX ON pg_temp.{} ({}); ", quoted_name(table.name), list);
        }
    if (all.tables.size() > 1 || !out.empty())  // joins are planned by what is there
        for (const auto& table : all.tables) out += fmt::format("ANALYZE pg_temp.{}; ", quoted_name(table.name));
    return out;
}

std::string drop_stand_ins(const gather_recipe& all) {
    std::string out;
    for (const auto& each : all.tables)
        out += (out.empty() ? "DROP TABLE pg_temp." : ", pg_temp.") + quoted_name(each.name);
    return all.views.empty() ? out : out + " CASCADE";
}

std::string copy_out(const gathered_table& table, const std::string& filter) {
    return fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", rows_of(table, filter));
}

std::string copy_in(const gathered_table& table) {
    return fmt::format("COPY pg_temp.{}{} FROM STDIN (FORMAT binary)", quoted_name(table.name),
                       table.all || table.columns.empty() ? std::string() : " (" + column_list(table) + ")");
}

}  // namespace ringway::router
