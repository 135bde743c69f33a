// The texts that a scattered SELECT is run as.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "router/clauses.hpp"
#include "router/key.hpp"
#include "router/lexical.hpp"
#include "router/scatter.hpp"

namespace ringway::router {

namespace {

using postgres::token_kind;

/// Puts a text together; the client's parameters are counted in the order in which they first come.
class writing {
  public:
    writing(const clauses& from, std::uint16_t before) : from_(from), before_(before) {}

    void add(std::string_view ours) { out_.text += ours; }
    void add(token_range range) {
        if (range.empty()) return;
        for (auto at = range.from; at < range.to; ++at) {
            if (at > range.from) {
                const auto gap = from_.tokens[at - 1].stop();
                out_.text.append(from_.text.substr(gap, from_.tokens[at].offset - gap));
            }
            const auto number = parameter_at(at);
            if (number == 0) {
                out_.text.append(from_.text_of(at));
                continue;
            }
            out_.text += fmt::format("${}", place_of(number));
            while (at + 1 < range.to && is_adjacent_digit(at + 1)) ++at;
        }
    }
    scatter_text take() && { return std::move(out_); }

  private:
    bool is_adjacent_digit(std::size_t at) const {
        return from_.tokens[at].offset == from_.tokens[at - 1].stop() && lexical::is_digit(from_.text_of(at).front());
    }

    /// $n: n; else 0.
    std::uint16_t parameter_at(std::size_t at) const {
        if (from_.text_of(at) != "$") return 0;
        std::uint16_t number = 0;
        const auto rest = from_.text.substr(from_.tokens[at].stop());
        std::from_chars(rest.data(), rest.data() + rest.size(), number);
        return number;
    }

    std::size_t place_of(std::uint16_t number) {
        auto& known = out_.parameters;
        auto found = std::find(known.begin(), known.end(), static_cast<std::uint16_t>(number - 1));
        if (found == known.end()) found = known.insert(known.end(), static_cast<std::uint16_t>(number - 1));
        return before_ + static_cast<std::size_t>(found - known.begin()) + 1;
    }

    const clauses& from_;
    std::uint16_t before_;
    scatter_text out_;
};

/// The statement's clauses beside what the shape tells of them.
class reading {
  public:
    reading(const scatter_recipe& recipe, const clauses& cut, const values& with)
        : recipe_(recipe), outline_(*recipe.outline), cut_(cut), with_(with) {}

    bool fits() const {
        return cut_.items.size() == outline_.items.size() && cut_.groups.size() == outline_.groups.size() &&
               cut_.sorts.size() == outline_.sorts.size() && cut_.having.empty() != outline_.has_having;
    }

    /// Without AS and its name.
    token_range expression_of_item(std::size_t i) const {
        auto out = cut_.items[i];
        if (!outline_.items[i].alias.empty()) {
            --out.to;
            if (out.to > out.from && cut_.is(out.to - 1, "as")) --out.to;
        }
        return out;
    }

    /// Without ASC, DESC, NULLS FIRST, NULLS LAST.
    token_range expression_of_sort(std::size_t i) const {
        auto out = cut_.sorts[i];
        if (out.to - out.from > 2 && (cut_.is(out.to - 1, "first") || cut_.is(out.to - 1, "last")) &&
            cut_.is(out.to - 2, "nulls"))
            out.to -= 2;
        if (out.to - out.from > 1 && (cut_.is(out.to - 1, "asc") || cut_.is(out.to - 1, "desc"))) --out.to;
        return out;
    }

    /// The item that a constant of GROUP BY or ORDER BY counts to.
    std::optional<std::size_t> item_of(token_range constant) const {
        std::size_t number = 0;
        const auto text = cut_.text_of(constant);
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
        if (number == 0 || number > outline_.items.size()) return std::nullopt;
        for (std::size_t i = 0; i < number; ++i)
            if (outline_.items[i].star) return std::nullopt;  // stands for several
        return number - 1;
    }

    /// The item that ORDER BY means by a name: -1: none; -2: it is not certain.
    int item_named(const column_ref& column) const {
        if (!column.table.empty()) return -1;
        int found = -1;
        bool star = false, by_alias = false;
        for (std::size_t i = 0; i < outline_.items.size(); ++i) {
            const auto& item = outline_.items[i];
            star |= item.star;
            if (item.star && item.column) return -2;  // (x).*, of columns with whatever names
            const bool named =
                item.alias.empty() ? item.column && item.column->column == column.column : item.alias == column.column;
            if (!named) continue;
            if (found >= 0) return -2;
            found = static_cast<int>(i);
            by_alias = !item.alias.empty();
        }
        return found >= 0 && star && by_alias ? -2 : found;
    }

    /// What a sort key is computed from.
    std::optional<token_range> key_of_sort(std::size_t i) const {
        const auto& sort = outline_.sorts[i];
        const auto expression = expression_of_sort(i);
        if (sort.constant) {
            const auto item = item_of(expression);
            return item ? std::optional(expression_of_item(*item)) : std::nullopt;
        }
        if (!sort.column) return expression;
        const auto item = item_named(*sort.column);
        if (item == -2) return std::nullopt;
        return item < 0 ? expression : expression_of_item(static_cast<std::size_t>(item));
    }

    std::optional<token_range> expression_of_group(std::size_t i) const {
        if (outline_.groups[i].constant) {
            const auto item = item_of(cut_.groups[i]);
            return item ? std::optional(expression_of_item(*item)) : std::nullopt;
        }
        if (i < recipe_.aliased.size() && recipe_.aliased[i] >= 0)
            return expression_of_item(static_cast<std::size_t>(recipe_.aliased[i]));
        return cut_.groups[i];
    }

    /// LIMIT or OFFSET; nullopt within: NULL. False: only the server can tell.
    bool bound(const std::optional<value_source>& from, std::optional<std::uint64_t>& out) const {
        if (!from || from->what == value_source::from::null) return true;
        std::string_view text;
        auto largest = most - 1;
        if (from->what == value_source::from::literal) {
            if (from->index >= with_.literals.size()) return false;
            const auto& what = with_.literals[from->index];
            if (what.kind != literal_kind::integer) return false;
            text = with_.text.substr(what.offset, what.length);
        } else {
            if (from->index >= with_.parameters.size()) return false;
            const auto& given = with_.parameters[from->index];
            const std::size_t size = given.type_oid == oid::int2                                         ? 2
                                     : given.type_oid == oid::int4                                       ? 4
                                     : given.type_oid == oid::int8 || given.type_oid == oid::unspecified ? 8
                                                                                                         : 0;
            if (size == 0) return false;
            if (given.is_null) return true;
            text = given.bytes;
            if (given.binary) {
                if (text.size() != size || (text.front() & 0x80)) return false;
                std::uint64_t number = 0;
                for (const char c : text) number = number << 8 | static_cast<unsigned char>(c);
                out = number;
                return number < most;
            }
            if (size < 8) largest = (std::uint64_t{1} << (8 * size - 1)) - 1;
        }
        std::uint64_t number = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number > largest) return false;
        out = number;
        return true;
    }

    const clauses& cut() const { return cut_; }
    const select_outline& outline() const { return outline_; }
    const scatter_recipe& recipe() const { return recipe_; }

  private:
    static constexpr std::uint64_t most = std::uint64_t{1} << 62;
    const scatter_recipe& recipe_;
    const select_outline& outline_;
    const clauses& cut_;
    const values& with_;
};

scatter_order order_of(const select_outline::sort& from) {
    return {from.descending, from.nulls_first};
}

std::optional<scatter_texts> texts_of_rows(const reading& of) {
    const auto& cut = of.cut();
    scatter_texts out;
    std::optional<std::uint64_t> offset;
    if (!of.bound(of.outline().limit, out.limit) || !of.bound(of.outline().offset, offset)) return std::nullopt;
    out.offset = offset.value_or(0);
    writing shard(cut, 0);
    shard.add(token_range{0, cut.from});
    for (std::size_t i = 0; i < cut.sorts.size(); ++i) {
        const auto key = of.key_of_sort(i);
        if (!key) return std::nullopt;
        shard.add(", (");
        shard.add(*key);
        shard.add(")");
        out.orders.push_back(order_of(of.outline().sorts[i]));
    }
    shard.add(" ");
    shard.add(token_range{cut.from, cut.bounds});
    if (out.limit) shard.add(fmt::format(" LIMIT {}", *out.limit + out.offset));
    out.shard = std::move(shard).take();
    return out;
}

/// Expressions over groups and aggregates, with the names of the parts in the place of what the shards have computed.
class part_reader {
  public:
    part_reader(const reading& of, std::vector<token_range> groups)
        : of_(of), cut_(of.cut()), groups_(std::move(groups)) {}

    /// False: it names a column that is no group's.
    bool write(token_range range, const std::vector<std::uint32_t>& types, writing& out) {
        for (auto at = range.from; at < range.to;) {
            if (at > range.from) out.add(" ");
            if (const auto* call = call_at(at)) {
                if (!write_call(*call, types, out)) return false;
                at = after_call(at);
            } else if (const auto group = group_at(at, range)) {
                out.add(fmt::format("g{}", *group + 1));
                at += groups_[*group].to - groups_[*group].from;
            } else if (is_column(at)) {
                return false;
            } else if (cut_.text_of(at) == "$") {
                const auto start = at++;
                while (at < range.to && cut_.tokens[at].offset == cut_.tokens[at - 1].stop() &&
                       lexical::is_digit(cut_.text_of(at).front()))
                    ++at;
                out.add(token_range{start, at});
            } else {
                const auto start = at++;
                while (at < range.to && touches(at)) ++at;
                out.add(token_range{start, at});
            }
        }
        return true;
    }

    /// The whole call, with its FILTER.
    std::size_t after_call(std::size_t at) const {
        while (at < cut_.end && cut_.text_of(at) != "(") ++at;
        at = cut_.after_parenthesis(at);
        if (cut_.is(at, "filter")) at = cut_.after_parenthesis(at + 1);
        return at;
    }

    std::size_t name_of(std::size_t at) const {
        while (at < cut_.end && cut_.text_of(at) != "(") ++at;
        return at - 1;
    }

  private:
    /// An operator's characters are tokens of their own; a blank between them would part them.
    bool touches(std::size_t at) const {
        static constexpr std::string_view characters = "+-*/<>=~!@#%^&|`?:";
        return cut_.tokens[at].kind == token_kind::symbol && cut_.tokens[at - 1].kind == token_kind::symbol &&
               cut_.tokens[at].offset == cut_.tokens[at - 1].stop() &&
               characters.find(cut_.text_of(at).front()) != std::string_view::npos &&
               characters.find(cut_.text_of(at - 1).front()) != std::string_view::npos;
    }

    const scatter_call* call_at(std::size_t at) const {
        for (const auto& each : of_.recipe().calls)
            if (each.at == at) return &each;
        return nullptr;
    }

    bool is_column(std::size_t at) const {
        const auto& all = of_.outline().columns;
        return std::binary_search(all.begin(), all.end(), static_cast<std::uint32_t>(at));
    }

    static bool same(std::string_view a, std::string_view b, token_kind kind) {
        if (kind != token_kind::word) return a == b;
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](char x, char y) { return lexical::lower(x) == lexical::lower(y); });
    }

    bool is_name(token_range group) const {
        return is_column(group.from) &&
               std::all_of(cut_.tokens.begin() + static_cast<std::ptrdiff_t>(group.from),
                           cut_.tokens.begin() + static_cast<std::ptrdiff_t>(group.to), [this](const auto& token) {
                               return token.kind == token_kind::word || token.kind == token_kind::quoted_name ||
                                      cut_.text.substr(token.offset, token.length) == ".";
                           });
    }

    /// name(...) and nothing behind it.
    bool is_call(token_range group) const {
        return cut_.tokens[group.from].kind == token_kind::word && group.to - group.from > 2 &&
               cut_.text_of(group.from + 1) == "(" && cut_.after_parenthesis(group.from + 1) == group.to;
    }

    /// The longest group that stands at this token; where it could be a part of another expression it is none.
    std::optional<std::size_t> group_at(std::size_t at, token_range within) const {
        std::optional<std::size_t> found;
        for (std::size_t i = 0; i < groups_.size(); ++i) {
            const auto& group = groups_[i];
            const auto size = group.to - group.from;
            if (size == 0 || at + size > within.to || (found && size <= groups_[*found].to - groups_[*found].from))
                continue;
            bool equal = true;
            for (std::size_t n = 0; n < size && equal; ++n)
                equal = cut_.tokens[at + n].kind == cut_.tokens[group.from + n].kind &&
                        same(cut_.text_of(at + n), cut_.text_of(group.from + n), cut_.tokens[at + n].kind);
            if (!equal) continue;
            const auto before = at > within.from ? cut_.text_of(at - 1) : std::string_view("(");
            const auto after = at + size < within.to ? cut_.text_of(at + size) : std::string_view(")");
            const bool apart = (before == "(" || before == ",") && (after == ")" || after == ",");
            const bool unit = (is_name(group) && is_column(at)) || is_call(group);
            if (apart || (unit && before != "." && after != "." && after != "(" && after != "[")) found = i;
        }
        return found;
    }

    bool write_call(const scatter_call& call, const std::vector<std::uint32_t>& types, writing& out) {
        std::size_t part = groups_.size();
        for (const auto& each : of_.recipe().calls) {
            if (&each == &call) break;
            part += each.how == combining::average ? 2 : 1;
        }
        if (part >= types.size()) return false;
        const auto name = fmt::format("c{}", part - groups_.size() + 1);
        const auto sum = fmt::format("pg_catalog.sum({})", name);
        const bool exact = types[part] == oid::int8;
        switch (call.how) {
            case combining::count:
                out.add(fmt::format("coalesce({}, 0)::pg_catalog.int8", sum));
                return true;
            case combining::sum:
                out.add(exact ? sum + "::pg_catalog.int8" : sum);
                return true;
            case combining::average: {
                constexpr std::uint32_t interval = 1186;
                if (!exact && types[part] != oid::numeric && types[part] != oid::float8 && types[part] != interval)
                    return false;
                const auto count = fmt::format("nullif(pg_catalog.sum(c{}), 0){}", part - groups_.size() + 2,
                                               exact || types[part] == oid::numeric ? "" : "::pg_catalog.float8");
                out.add(fmt::format("({} / {})", sum, count));
                return true;
            }
            case combining::again:
                out.add(fmt::format("pg_catalog.{}({})", call.name, name));
                return true;
        }
        return false;
    }

    const reading& of_;
    const clauses& cut_;
    std::vector<token_range> groups_;
};

/// What the shards group by: of DISTINCT all that is selected.
std::optional<std::vector<token_range>> groups_of(const reading& of) {
    std::vector<token_range> out;
    if (of.outline().distinct) {
        for (std::size_t i = 0; i < of.outline().items.size(); ++i) out.push_back(of.expression_of_item(i));
        return out;
    }
    for (std::size_t i = 0; i < of.outline().groups.size(); ++i) {
        const auto group = of.expression_of_group(i);
        if (!group) return std::nullopt;
        out.push_back(*group);
    }
    return out;
}

/// scatter_texts::totals.
scatter_text text_of_totals(const reading& of) {
    const auto& cut = of.cut();
    const auto& outline = of.outline();
    const auto& calls = of.recipe().calls;
    if (outline.distinct || outline.has_having || !outline.groups.empty() || calls.size() < cut.items.size()) return {};
    const part_reader parts(of, {});
    writing out(cut, 0);
    out.add(token_range{0, cut.from});
    for (std::size_t i = 0; i < cut.items.size(); ++i) {
        const auto item = of.expression_of_item(i);
        if (calls[i].at != item.from || calls[i].how == combining::average || parts.after_call(item.from) != item.to)
            return {};
        if (calls[i].name != "min" && calls[i].name != "max") continue;
        out.add(", ");
        out.add(item);
    }
    out.add(" ");
    out.add(token_range{cut.from, cut.end});
    return std::move(out).take();
}

std::optional<scatter_texts> texts_of_groups(const reading& of) {
    const auto& cut = of.cut();
    scatter_texts out;
    const auto groups = groups_of(of);
    if (!groups) return std::nullopt;
    const part_reader parts(of, *groups);
    writing shard(cut, 0);
    shard.add("SELECT ");
    bool first = true;
    const auto comma = [&] { shard.add(std::exchange(first, false) ? "" : ", "); };
    for (const auto& group : *groups) {
        comma();
        shard.add("(");
        shard.add(group);
        shard.add(")");
    }
    for (const auto& call : of.recipe().calls) {
        if (call.at >= cut.end) return std::nullopt;
        const auto end = parts.after_call(call.at);
        comma();
        if (call.how == combining::average) {
            const token_range rest{parts.name_of(call.at) + 1, end};
            shard.add("pg_catalog.sum");
            shard.add(rest);
            shard.add(", pg_catalog.count");
            shard.add(rest);
        } else {
            shard.add(token_range{call.at, end});
        }
    }
    if (first) return std::nullopt;
    shard.add(" ");
    shard.add(token_range{cut.from, cut.tail});
    for (std::size_t i = 0; i < groups->size(); ++i) shard.add(fmt::format("{}{}", i ? ", " : " GROUP BY ", i + 1));
    out.shard = std::move(shard).take();
    if (of.recipe().totals.load(std::memory_order_relaxed) != scatter_recipe::totals_state::unfit)
        out.totals = text_of_totals(of);
    return out;
}

constexpr struct {
    std::uint32_t type, array;
} array_types[] = {{16, 1000},   {17, 1001},   {18, 1002},   {19, 1003},   {20, 1016},   {21, 1005},   {23, 1007},
                   {25, 1009},   {26, 1028},   {114, 199},   {600, 1017},  {700, 1021},  {701, 1022},  {790, 791},
                   {829, 1040},  {869, 1041},  {650, 651},   {1042, 1014}, {1043, 1015}, {1082, 1182}, {1083, 1183},
                   {1114, 1115}, {1184, 1185}, {1186, 1187}, {1266, 1270}, {1700, 1231}, {2950, 2951}, {3802, 3807}};

std::string from_parts(std::size_t count, std::size_t groups) {
    std::string arrays, names;
    for (std::size_t i = 0; i < count; ++i) {
        arrays += fmt::format("{}pg_catalog.unnest(${})", i ? ", " : "", i + 1);
        names += i < groups ? fmt::format("{}g{}", i ? ", " : "", i + 1)
                            : fmt::format("{}c{}", i ? ", " : "", i - groups + 1);
    }
    return fmt::format(" FROM ROWS FROM ({}) AS ringway({})", arrays, names);
}

bool all_have_arrays(const std::vector<std::uint32_t>& types) {
    return std::all_of(types.begin(), types.end(), [](std::uint32_t type) { return array_of(type) != 0; });
}

}  // namespace

std::uint32_t array_of(std::uint32_t type_oid) noexcept {
    for (const auto& each : array_types)
        if (each.type == type_oid) return each.array;
    return 0;
}

std::optional<scatter_texts> scatter_texts_of(const plan& what, const values& with) {
    const auto cut = clauses_of(with.text, with.literals, 0);
    if (!cut || !what.scatter) return std::nullopt;
    const reading of(*what.scatter, *cut, with);
    if (!of.fits()) return std::nullopt;
    return what.scatter->how == scatter_recipe::kind::rows ? texts_of_rows(of) : texts_of_groups(of);
}

std::optional<sort_places> sort_places_of(const plan& what, const values& with) {
    auto cut = clauses_of(with.text, with.literals, 0);
    if (!cut || !what.scatter) return std::nullopt;
    sort_places out{std::move(*cut), {}, {}};
    const reading of(*what.scatter, out.cut, with);
    if (!of.fits()) return std::nullopt;
    for (std::size_t i = 0; i < out.cut.sorts.size(); ++i) {
        const auto key = of.key_of_sort(i);
        if (!key) return std::nullopt;
        out.keys.push_back(*key);
        out.orders.push_back(order_of(of.outline().sorts[i]));
    }
    return out;
}

std::optional<scatter_text> combine_groups(const plan& what, const values& with,
                                           const std::vector<std::uint32_t>& types) {
    const auto cut = clauses_of(with.text, with.literals, 0);
    if (!cut || !what.scatter || !all_have_arrays(types)) return std::nullopt;
    const reading of(*what.scatter, *cut, with);
    const auto groups = of.fits() ? groups_of(of) : std::nullopt;
    if (!groups) return std::nullopt;
    part_reader parts(of, *groups);
    writing out(*cut, static_cast<std::uint16_t>(types.size()));
    out.add(of.outline().distinct ? "SELECT DISTINCT " : "SELECT ");
    for (std::size_t i = 0; i < cut->items.size(); ++i) {
        const auto expression = of.expression_of_item(i);
        if (i) out.add(", ");
        if (!parts.write(expression, types, out)) return std::nullopt;
        const auto& item = of.outline().items[i];
        if (!item.alias.empty()) {
            out.add(" AS ");
            out.add(token_range{cut->items[i].to - 1, cut->items[i].to});
        } else if (item.column) {
            out.add(" AS ");
            out.add(token_range{cut->items[i].to - 1, cut->items[i].to});
        }
    }
    out.add(from_parts(types.size(), groups->size()));
    if (!of.outline().distinct)
        for (std::size_t i = 0; i < groups->size(); ++i) out.add(fmt::format("{}g{}", i ? ", " : " GROUP BY ", i + 1));
    if (of.outline().has_having) {
        out.add(" HAVING ");
        if (!parts.write(cut->having, types, out)) return std::nullopt;
    }
    for (std::size_t i = 0; i < cut->sorts.size(); ++i) {
        const auto& sort = of.outline().sorts[i];
        const auto expression = of.expression_of_sort(i);
        out.add(i ? ", " : " ORDER BY ");
        const auto named = sort.column ? of.item_named(*sort.column) : -1;
        if (named == -2) return std::nullopt;
        if (sort.constant || named >= 0)
            out.add(expression);
        else if (!parts.write(expression, types, out))
            return std::nullopt;
        out.add(" ");
        out.add(token_range{expression.to, cut->sorts[i].to});
    }
    out.add(" ");
    out.add(token_range{cut->bounds, cut->end});
    return std::move(out).take();
}

std::optional<scatter_text> combine_rows(const scatter_texts& texts, const std::vector<std::uint32_t>& types) {
    if (!all_have_arrays(types) || types.size() <= texts.orders.size()) return std::nullopt;
    const auto shown = types.size() - texts.orders.size();
    scatter_text out;
    for (std::size_t i = 0; i < shown; ++i) out.text += fmt::format("{}g{}", i ? ", " : "SELECT ", i + 1);
    out.text += from_parts(types.size(), shown);
    for (std::size_t i = 0; i < texts.orders.size(); ++i)
        out.text +=
            fmt::format("{}c{}{} NULLS {}", i ? ", " : " ORDER BY ", i + 1, texts.orders[i].descending ? " DESC" : "",
                        texts.orders[i].nulls_first ? "FIRST" : "LAST");
    if (texts.limit) out.text += fmt::format(" LIMIT {}", *texts.limit);
    if (texts.offset) out.text += fmt::format(" OFFSET {}", texts.offset);
    return out;
}

}  // namespace ringway::router
