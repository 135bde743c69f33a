// An INSERT whose rows belong elsewhere than where they are made (router/carry.hpp), as a unit of a transaction of this
// session that stands on several shards.

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"
#include "proxy/session/spanning.hpp"
#include "router/carry.hpp"
#include "router/gather.hpp"
#include "router/parameter_types.hpp"
#include "router/postgres/lexical.hpp"
#include "router/time_words.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;

namespace {

std::vector<router::literal> literals_of(std::string_view text, bool conforming_strings) {
    router::shape_lexer lexer;
    const auto shape = lexer.scan(text, conforming_strings);
    return {shape.literals.begin(), shape.literals.end()};
}

/// EXPLAIN cannot stand before a semicolon. Places in the text stay what they are.
std::string without_first_semicolons(std::string_view text, std::span<const router::literal> literals) {
    std::string out(text);
    router::postgres::token_reader in(text, literals);
    for (auto each = in.next(); each.kind == router::postgres::token_kind::symbol && text[each.offset] == ';';
         each = in.next())
        out[each.offset] = ' ';
    return out;
}

/// What each shard runs of it would have a time of its own.
bool tail_names_time(std::string_view tail, const router::values& with) {
    const auto literals = literals_of(tail, with.standard_conforming_strings);
    router::values of{tail, literals, {}, with.standard_conforming_strings};
    if (tail.find('$') != tail.npos) of.parameters = with.parameters;
    return router::names_time(of);
}

/// Whether a parameter that tells its type in one of its places stands in the rows' source and behind it.
bool types_depend(const router::plan& plan, const router::insert_texts& texts, const router::values& with) {
    if (!router::has_unsure(plan, with)) return false;
    const auto count = [&](std::string_view text) {
        return router::parameter_counts(text, literals_of(text, with.standard_conforming_strings),
                                        with.parameters.size());
    };
    const auto source = count(texts.source), tail = count(texts.tail);
    return std::any_of(plan.unsure_parameters.begin(), plan.unsure_parameters.end(), [&](std::uint16_t each) {
        return each < source.size() && router::is_undeclared(with.parameters[each]) && source[each] > 0 &&
               tail[each] > 0;
    });
}

}  // namespace

/// Its one part is the seat's, which makes the rows: of what it has, or of what is gathered there.
std::optional<fault> session::span_carry_parts(const router::plan& plan, const router::values& with, span_unit& unit) {
    const auto& span = *spanning_;
    const auto& source = *plan.carry->source;
    if (span.reads_only)
        return fault{fault_kind::read_only, "cannot execute INSERT in a read-only transaction", {}, {}};
    if (span.changes_catalog)
        return fault{fault_kind::unsupported,
                     "this transaction has changed tables, and rows are carried to shards by columns that were there "
                     "before",
                     {},
                     "commit it first"};
    auto texts = router::cut_insert(with.text, with.literals);
    if (!texts) return fault{fault_kind::unsupported, "the rows of this INSERT are not found in its text", {}, {}};
    if (tail_names_time(texts->tail, with))
        return fault{fault_kind::unsupported,
                     "now, today and the like as a value may be another time on each shard",
                     {},
                     "give the time itself"};
    if (types_depend(plan, *texts, with))
        return fault{fault_kind::unsupported,
                     "the rows of this INSERT are made by a statement of its own, in which the type of a parameter "
                     "that stands in several places might be another",
                     {},
                     "declare the parameter's type"};
    const auto literals = literals_of(texts->source, with.standard_conforming_strings);
    const router::values rows{texts->source, literals, with.parameters, with.standard_conforming_strings};
    unit.map = who_.cluster->now->map;
    auto route = router::route_of(source, rows, *unit.map);
    using to = router::route::to;
    const auto seat = source.gather ? source.gather->seat : std::uint16_t{0};
    if (route.kind == to::refused) return std::move(route.refusal);
    const bool gathers = route.kind == to::several || (route.kind == to::shard && route.shard != seat);
    if (gathers && !source.gather)
        return fault{fault_kind::unsupported,
                     "the rows of this INSERT are made on one shard, and belong to others",
                     {},
                     "select them first, and insert them with their keys"};
    if (gathers) {
        unit.gathers = plan.carry->source;
        if (auto why = why_not_made_again(*source.gather, encoding_, *settings_, span.across->history())) return why;
        const bool hides_ascii = encoding_ == text_encoding::hidden;
        for (const auto& table : source.gather->tables)
            unit.filters.push_back(router::guarded_filter_of(table, rows, hides_ascii));
    }
    unit.writes = false;  // the shards that get rows write
    unit.how = span_unit::merging::relay;
    unit.parts.assign(1, {seat, {}});
    carry_task task;
    task.what = plan.carry;
    task.map = unit.map;
    task.whole = without_first_semicolons(with.text, with.literals);
    task.rows = gathers ? gather_text(source, texts->source, literals) : texts->source;
    task.source = std::move(texts->source);
    task.head = texts->head;
    task.list_end = texts->list_end;
    task.overrides = texts->overrides;
    task.tail = texts->tail;
    unit.carry = std::make_shared<carrying>(std::move(task));
    return std::nullopt;
}

}  // namespace ringway::proxy
