#include "proxy/session/carrying.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "pool/session_settings.hpp"
#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/span.hpp"
#include "router/copy_recipe.hpp"
#include "router/gather.hpp"
#include "router/object_types.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using to = router::carry_recipe::to;

namespace {

constexpr std::string_view carried = "pg_temp._ringway_carried";
/// Of the protocol: a Bind counts its parameters in two bytes.
constexpr std::size_t most_parameters = 65535;
/// Rows of one statement, when a shard's may be several: enough for parsing it to be a small part of the work.
constexpr std::size_t rows_at_a_time = 1000;
constexpr std::uint16_t seat = 0;  ///< router::gather_recipe::seat, or where what is on one shard only is
constexpr std::string_view nothing_bound("\0\0\0\0\0\0", 6);

void number(std::string& out, std::uint32_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

void write_bind(std::string& out, std::string_view bound) {
    pg::write_bind_head(out, {}, {}, bound.size());
    out.append(bound);
}

template <typename Number>
Number number_of(std::string_view text) {
    Number out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

/// Columns of a table: their names, types, what domains are over, types of objects within them, however deep, and their
/// defaults.
std::string columns_query(std::string_view relation) {
    return fmt::format(
        "WITH RECURSIVE base (of, type, next) AS (SELECT attnum, t.oid, typbasetype FROM pg_catalog.pg_attribute JOIN "
        "pg_catalog.pg_type t ON t.oid = atttypid WHERE attrelid = {0}::pg_catalog.regclass AND attnum > 0 UNION ALL "
        "SELECT of, t.oid, typbasetype FROM base JOIN pg_catalog.pg_type t ON t.oid = next), "
        "inside (of, type) AS (SELECT of, type FROM base WHERE next = 0{2}) "
        "SELECT attname, pg_catalog.format_type(atttypid, atttypmod), (SELECT type FROM base WHERE of = attnum AND "
        "next = 0), (SELECT pg_catalog.min(pg_catalog.format_type(type, NULL)) FROM inside WHERE of = attnum AND type "
        "IN ({1})), COALESCE((SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef WHERE adrelid = "
        "attrelid AND adnum = attnum), CASE WHEN attidentity <> '' THEN pg_catalog.format('pg_catalog.nextval(%L)', "
        "pg_catalog.pg_get_serial_sequence({0}, attname)) END, (SELECT typdefault FROM pg_catalog.pg_type WHERE oid = "
        "atttypid)), attidentity = 'a' FROM pg_catalog.pg_attribute WHERE "
        "attrelid = {0}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        pool::quote_literal(relation), router::object_types_sql(), router::parts_of_types_sql());
}

/// A statement without parameters.
void write_statement(std::string& out, std::string_view sql) {
    pg::write_parse(out, {}, sql, {});
    write_bind(out, nothing_bound);
    pg::write_execute(out, {}, 0);
}

}  // namespace

// ---- the seat reads the client's text -------------------------------------------------------------------------------

/// An EXPLAIN has the server check what the user may do before anything is read.
std::string carrying::judge() const {
    std::string out;
    pg::write_parse(out, {}, task_.whole, task_.types);
    pg::write_target(out, 'D', 'S', {});
    write_statement(out, columns_query(task_.what->relation));
    pg::write_parse(out, {}, "EXPLAIN (COSTS off) " + task_.whole, task_.types);
    write_bind(out, bind({}, 0, false));
    pg::write_execute(out, {}, 0);
    pg::write_sync(out);
    return out;
}

void carrying::judged(char type, std::string_view body) {
    if (type == 't' && !described_) {
        described_ = true;
        pg::reader in(body);
        parameters_ = static_cast<std::uint16_t>(in.i16());
        task_.types = in.rest();
    } else if (type == 'C') {
        columns_told_ = true;
    } else if (type == 'D' && !columns_told_) {
        pg::reader in(body);
        std::string_view fields[6];
        const auto count = in.i16();
        for (int i = 0; i < count && i < 6; ++i) fields[i] = in.bytes(static_cast<std::size_t>(std::max(0, in.i32())));
        if (in.ok())
            columns_.push_back({std::string(fields[0]), std::string(fields[1]), number_of<std::uint32_t>(fields[2]),
                                std::string(fields[3]), std::string(fields[4]), fields[5] == "t"});
    }
}

std::optional<fault> carrying::find_columns() {
    const auto& named = task_.what->columns;
    if (named.empty()) return std::nullopt;
    const auto& drawn = task_.what->drawn;
    std::vector<column> found;
    for (const auto* names : {&named, &drawn})
        for (const auto& name : *names)
            for (const auto& each : columns_)
                if (each.name == name) found.push_back(each);
    columns_ = std::move(found);
    given_ = columns_.size();
    if (columns_.size() == named.size() + drawn.size()) return add_drawn();
    return fault{fault_kind::unsupported, fmt::format("the columns of {} are not known", task_.what->name), {}, {}};
}

/// Whether the temporary table needs its default.
bool carrying::has_default(const column& each) const {
    const auto& what = *task_.what;
    const auto names = [&](const std::vector<std::string>& all) {
        return std::find(all.begin(), all.end(), each.name) != all.end();
    };
    return !each.by_default.empty() && (names(what.drawn) || names(what.defaulted));
}

/// To the columns that the client's INSERT names: what the shards run gives them.
std::optional<fault> carrying::add_drawn() {
    const bool to_all = task_.what->where == router::carry_recipe::to::all;
    std::string more;
    bool always = false;
    for (auto i = task_.what->columns.size(); i < columns_.size(); ++i) {
        const auto& each = columns_[i];
        if (each.by_default.empty() && to_all)
            return fault{
                fault_kind::unsupported,
                fmt::format("column \"{}\" of {} has a default that may differ by shard", each.name, task_.what->name),
                "it is that of its type", "give it a value"};
        if (each.by_default.empty())
            return fault{fault_kind::no_key, fmt::format("the shard of a new row of {} is not known", task_.what->name),
                         fmt::format("it gives no value for \"{}\", which has no default any more", each.name),
                         "give it a value"};
        more += ", " + router::quoted_name(each.name);
    }
    for (const auto& each : columns_) {
        if (!has_default(each)) continue;
        always |= each.always_identity;
        const auto& key = task_.what->key;
        const bool of_key = std::any_of(key.begin(), key.end(), [&](const auto& one) { return one.name == each.name; });
        if (!of_key && !to_all && each.by_default.find("nextval(") != std::string::npos)
            return fault{
                fault_kind::unsupported,
                fmt::format("DEFAULT for \"{}\" draws from a sequence of each shard's own, and the rows are made "
                            "before their shards are known",
                            each.name),
                {},
                "leave the column out of the INSERT's list"};
    }
    if (always && !task_.overrides) task_.head += "OVERRIDING SYSTEM VALUE ";
    if (!more.empty()) task_.head.insert(*task_.list_end, more);
    return std::nullopt;
}

std::string carrying::columns(std::size_t count) const {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += (i ? ", " : "") + router::quoted_name(columns_[i].name);
    return out;
}

// ---- the seat makes the rows ----------------------------------------------------------------------------------------

std::string carrying::make() const {
    std::string definitions, out;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        const auto& each = columns_[i];
        definitions += fmt::format("{}{} {}", i > 0 ? ", " : "", router::quoted_name(each.name), each.type);
        if (has_default(each)) definitions += fmt::format(" DEFAULT {}", each.by_default);
    }
    write_statement(out, fmt::format("CREATE TEMPORARY TABLE _ringway_carried ({}) ON COMMIT DROP", definitions));
    if (task_.what->columns.empty()) {  // how many columns the rows have
        pg::write_parse(out, {}, task_.source, task_.types);
        pg::write_target(out, 'D', 'S', {});
    }
    pg::write_sync(out);
    return out;
}

void carrying::made(char type, std::string_view body) {
    pg::reader in(body);
    if (type == 'T') given_ = static_cast<std::uint16_t>(in.i16());
}

/// Where the key stands in the rows, whose columns are known now.
std::optional<fault> carrying::find_key() {
    given_ = std::min(given_, columns_.size());
    columns_.resize(given_);
    const auto& what = *task_.what;
    for (const auto& each : columns_)
        if (!stays() && !each.objects.empty())
            return router::object_column_fault(router::why_object_column(each.name, what.name, each.objects));
    if (columns_.empty())
        return fault{fault_kind::unsupported, "an INSERT of rows without columns is not carried to shards", {}, {}};
    router::copy_recipe recipe;
    recipe.form.what = router::copy_form::format::binary;
    recipe.table = what.table;
    recipe.to_all = what.where != to::owners;
    for (const auto& each : what.key) {
        const auto found =
            std::find_if(columns_.begin(), columns_.end(), [&](const column& c) { return c.name == each.name; });
        if (found == columns_.end())
            return fault{fault_kind::no_key, fmt::format("the shard of a new row of {} is not known", what.name),
                         fmt::format("its rows give no value for \"{}\"", each.name), "select a value for it"};
        if (found->type_oid != each.type_oid)
            return fault{fault_kind::unsupported,
                         fmt::format("\"{}\" of {} is not of the type that the catalogs told of", each.name, what.name),
                         {},
                         "repeat the statement"};
        router::copy_recipe::column made;
        made.wish.field = static_cast<std::uint16_t>(found - columns_.begin());
        made.type = each.type;
        made.type_oid = each.type_oid;
        made.type_modifier = each.type_modifier;
        recipe.columns.push_back(made);
    }
    router::sort_columns(recipe);
    rows_.resize(recipe.to_all ? 1 : task_.map->shards.size());
    ends_.resize(rows_.size());
    split_.emplace(std::make_shared<const router::copy_recipe>(std::move(recipe)), task_.map);
    return std::nullopt;
}

std::string carrying::fill(std::string_view last) const {
    std::string out;
    const auto from_rows = given_ - task_.what->drawn.size();
    pg::write_parse(out, {}, fmt::format("INSERT INTO {} ({}) {}", carried, columns(from_rows), task_.rows),
                    task_.types);
    write_bind(out, bind({}, 0, false));
    pg::write_execute(out, {}, 0);
    if (!last.empty()) write_statement(out, last);
    if (task_.what->copies) write_statement(out, fmt::format("SELECT pg_catalog.pg_table_size('{}')", carried));
    pg::write_sync(out);
    return out;
}

void carrying::filled(char type, std::string_view body) {
    if (type != 'D') return;
    pg::reader in(body);
    in.i16();
    size_ = number_of<std::size_t>(in.bytes(static_cast<std::size_t>(std::max(0, in.i32()))));
}

std::string carrying::give() const {
    std::string out;
    pg::write_query(out, fmt::format("COPY {} ({}) TO STDOUT (FORMAT binary){}", carried, columns(),
                                     flows() ? "" : fmt::format("; DROP TABLE {}", carried)));
    return out;
}

void carrying::take(std::string_view copy_data, const sink& to) {
    if (why_) wasted_ += copy_data.size();
    if (why_) return;
    split_->feed(copy_data);
    router::copy_piece found;
    while (!why_ && split_->next(found)) {
        using where = router::copy_piece::to;
        if (found.where == where::nobody) return;
        if (found.where == where::judge) {
            why_ = std::move(found.why);
            return;
        }
        if (found.where == where::all && !std::exchange(headed_, true)) continue;
        const auto owner = found.where == where::all ? std::uint16_t{0} : found.shard;
        if (to)
            flow(owner, found.bytes, to);
        else
            keep(owner, found.bytes);
    }
}

void carrying::flow(std::uint16_t owner, std::string_view tuple, const sink& to) {
    if (flown_ % 8 == 0) own_rows_ += '\0';
    if (owner == seat) {
        own_rows_.back() = static_cast<char>(own_rows_.back() | 1 << flown_ % 8);
        ++own_;
    } else {
        to(owner, tuple);
    }
    ++flown_;
}

void carrying::keep(std::uint16_t owner, std::string_view tuple) {
    constexpr std::size_t count = 2;  // of its columns: a Bind has it once
    bytes_ += tuple.size();
    if (bytes_ > most_bytes) {
        why_ =
            fault{fault_kind::over_limit,
                  fmt::format("the rows of this INSERT are more than the {} MB that are carried to their shards for "
                              "one statement",
                              most_bytes >> 20),
                  "It has ON CONFLICT or RETURNING, or its table has triggers, row security, or copies on every shard.",
                  "insert them in several statements, or load them by COPY"};
        return;
    }
    rows_[owner].append(tuple.substr(count));
    ends_[owner].push_back(static_cast<std::uint32_t>(rows_[owner].size()));
    if (task_.what->where == to::owners) owners_.push_back(owner);
}

// ---- rows that flow -------------------------------------------------------------------------------------------------

std::string carrying::copy_in() const {
    std::string out;
    pg::write_query(out, fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", task_.what->relation, columns()));
    return out;
}

std::string carrying::drop() {
    std::string out;
    pg::write_query(out, fmt::format("DROP TABLE {}", carried));
    return out;
}

/// The table is read in the order in which it was filled, and given.
std::string carrying::insert_own() const {
    std::string out;
    pg::write_parse(out, {},
                    fmt::format("{0}SELECT {1} FROM (SELECT {1}, (pg_catalog.row_number() OVER () - 1)::int4 AS "
                                "_ringway_row FROM {2}) AS _ringway_rows WHERE "
                                "pg_catalog.get_bit(${3}::pg_catalog.bytea, _ringway_row) = 1",
                                task_.head, columns(), carried, parameters_ + 1),
                    task_.types);
    std::string bits;
    number(bits, static_cast<std::uint32_t>(own_rows_.size()), 4);
    bits += own_rows_;
    write_bind(out, bind(bits, 1, false));
    pg::write_execute(out, {}, 0);
    pg::write_sync(out);
    return out;
}

std::string carrying::insert_all() const {
    std::string out;
    pg::write_parse(out, {}, fmt::format("{}SELECT {} FROM {}\n{}", task_.head, columns(), carried, task_.tail),
                    task_.types);
    write_bind(out, bind({}, 0, true));
    if (!task_.extended) pg::write_target(out, 'D', 'P', {});
    pg::write_execute(out, {}, 0);
    pg::write_sync(out);
    return out;
}

// ---- each shard inserts its own -------------------------------------------------------------------------------------

/// The client's parameters, and `count` values in binary behind them. `results`: in the formats that the client has
/// asked for.
std::string carrying::bind(std::string_view more, std::size_t count, bool results) const {
    std::string out;
    pg::reader in(task_.bound);
    std::vector<std::int16_t> formats;
    std::string_view values;
    std::size_t own = 0;
    if (!task_.bound.empty()) {
        for (int left = in.i16(); left > 0; --left) formats.push_back(in.i16());
        own = static_cast<std::uint16_t>(in.i16());
        values = in.rest();
        for (auto left = own; left > 0; --left) in.bytes(static_cast<std::size_t>(std::max(0, in.i32())));
        values.remove_suffix(in.rest().size());
    }
    const auto all = own + count;
    if (own == 0) {
        number(out, 1, 2);
        number(out, 1, 2);
    } else {
        number(out, static_cast<std::uint32_t>(all), 2);
        for (std::size_t i = 0; i < own; ++i) {
            const auto format = formats.empty()       ? 0
                                : formats.size() == 1 ? formats.front()
                                : i < formats.size()  ? formats[i]
                                                      : 0;
            number(out, static_cast<std::uint16_t>(format), 2);
        }
        for (std::size_t i = own; i < all; ++i) number(out, 1, 2);
    }
    number(out, static_cast<std::uint32_t>(all), 2);
    out.append(values).append(more);
    if (results && !task_.bound.empty())
        out.append(in.rest());
    else
        number(out, 0, 2);
    return out;
}

std::size_t carrying::most_rows() const {
    const auto room = (most_parameters - parameters_) / given_;
    return task_.what->at_once ? room : std::min(room, rows_at_a_time);
}

/// Parse of an INSERT of so many rows; of none, with its columns' types all the same.
void carrying::write_insert(std::string& out, std::size_t rows) const {
    std::string text = task_.head;
    if (rows == 0) {
        text += "SELECT";
        for (std::size_t i = 0; i < given_; ++i) text += i ? ", NULL" : " NULL";
        text += " WHERE false";
    } else {
        text += "VALUES ";
        auto next = parameters_;
        for (std::size_t row = 0; row < rows; ++row) {
            text += row ? ", (" : "(";
            for (std::size_t i = 0; i < given_; ++i) text += fmt::format("{}${}", i ? ", " : "", ++next);
            text += ')';
        }
    }
    text += '\n';
    text += task_.tail;
    pg::write_parse(out, {}, text, task_.types);
}

/// Rows `from` and the `count` - 1 after it.
void carrying::write_rows(std::string& out, std::string_view rows, std::size_t from, std::size_t count) const {
    write_bind(out, bind(rows, count * given_, true));
    if (!task_.extended && from == 0) pg::write_target(out, 'D', 'P', {});
    pg::write_execute(out, {}, 0);
}

void carrying::add_part(std::uint16_t shard, const std::string& rows, const std::vector<std::uint32_t>& ends,
                        std::vector<span_part>& out) const {
    auto& made = out.emplace_back();
    made.shard = shard;
    std::size_t parsed = most_parameters + 1;
    for (std::size_t from = 0; from == 0 || from < ends.size();) {
        const auto count = std::min(most_rows(), ends.size() - from);
        if (count != parsed) write_insert(made.bytes, count);
        parsed = count;
        const auto begin = from == 0 ? 0 : ends[from - 1];
        const auto stop = count == 0 ? begin : ends[from + count - 1];
        write_rows(made.bytes, std::string_view(rows).substr(begin, stop - begin), from, count);
        if (count == 0) break;
        from += count;
    }
    pg::write_sync(made.bytes);
}

std::optional<fault> carrying::parts(std::vector<span_part>& out, std::vector<std::uint16_t>& order) {
    if (why_) return why_;
    if (parameters_ + given_ > most_parameters)
        return fault{fault_kind::over_limit, "this INSERT has too many parameters to be carried to shards", {}, {}};
    for (const auto& each : ends_)
        if (task_.what->at_once && each.size() > most_rows())
            return fault{
                fault_kind::over_limit,
                fmt::format(
                    "this INSERT has {} rows for one shard, and no more than {} can be one statement's "
                    "with ON CONFLICT DO UPDATE, triggers, a foreign key to the table itself, or a reference table",
                    each.size(), most_rows()),
                {},
                "insert them in several statements"};
    out.clear();
    if (task_.what->where == to::all) {
        for (const auto shard : task_.map->members()) add_part(shard, rows_.front(), ends_.front(), out);
    } else {
        std::vector<std::uint16_t> place(rows_.size(), 0);
        const auto shards = static_cast<std::uint16_t>(rows_.size());
        for (std::uint16_t shard = 0; shard < shards; ++shard) {
            if (ends_[shard].empty()) continue;
            place[shard] = static_cast<std::uint16_t>(out.size());
            add_part(shard, rows_[shard], ends_[shard], out);
            std::string().swap(rows_[shard]);
        }
        for (const auto owner : owners_) order.push_back(place[owner]);
        if (out.empty()) add_part(0, {}, {}, out);  // the answer to no rows
    }
    return std::nullopt;
}

}  // namespace ringway::proxy
