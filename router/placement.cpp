#include "router/placement.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/apart.hpp"
#include "router/carry.hpp"
#include "router/copies.hpp"
#include "router/copy_recipe.hpp"
#include "router/gather.hpp"
#include "router/key_move.hpp"
#include "router/leads.hpp"
#include "router/need.hpp"
#include "router/object_types.hpp"
#include "router/row_locks.hpp"
#include "router/scatter.hpp"
#include "router/search_path.hpp"
#include "router/shared_sequences.hpp"
#include "router/table_changes.hpp"
#include "router/tables_seen.hpp"
#include "router/uneven.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

using config::fault;
using config::fault_kind;

constexpr std::uint16_t first_shard = 0;

placed refused(fault why) {
    placed out;
    out.where = placement::refused;
    out.refusal = std::move(why);
    return out;
}

placed on_shard(std::uint16_t shard) {
    placed out;
    out.where = placement::single;
    out.fixed_shard = shard;
    return out;
}

class placing {
  public:
    placing(const statement& what, const placement_rules& rules)
        : what_(what),
          rules_(rules),
          tables_(rules.map, rules.in, rules.path),
          sequences_(rules.map, rules.in, rules.path) {}

    placed run() {
        if (rules_.dialect == dialect::mysql)
            if (auto found = command_of_mysql()) return std::move(*found);
        if (what_.verb == verb::prepare) return prepare();
        if (is_session_command(what_.verb) || runs_prepared()) return everywhere();
        switch (what_.verb) {
            case verb::empty:
                return {};
            case verb::listen:
            case verb::notify:
                return on_shard(rules_.hinted.value_or(first_shard));
            case verb::ddl:
                return definition();
            case verb::maintenance:
                if (rules_.hinted) return on_shard(*rules_.hinted);
                if (rules_.dialect == dialect::mysql)
                    return on_hinted("maintenance runs on every shard, which Ringway does not do yet");
                if (auto why = change_refusal()) return refused(std::move(*why));
                return spread_alike();
            case verb::do_block:
                return on_hinted("a DO block may touch any table");
            case verb::call:
                return on_hinted("a procedure may touch any table");
            case verb::commit_prepared:
            case verb::rollback_prepared:
                return on_hinted("a prepared transaction lives on one shard");
            case verb::other:
                return on_hinted("it is of a kind that Ringway does not know");
            default:
                return query();
        }
    }

  private:
    static placed everywhere() {
        placed out;
        out.where = placement::all_same;
        return out;
    }

    /// What only MySQL has, or has otherwise. nullopt: nothing of that.
    std::optional<placed> command_of_mysql() {
        const auto does = [this](effect::kind kind) {
            return std::any_of(what_.effects.begin(), what_.effects.end(),
                               [kind](const effect& e) { return e.what == kind; });
        };
        const bool names_nothing = what_.block.tables.empty() && what_.block.children.empty();
        switch (what_.verb) {
            case verb::prepare:
                return on_hinted("what SQL's PREPARE prepares is not looked into");
            case verb::execute:
                if (does(effect::kind::execute_immediate))
                    return on_hinted("what EXECUTE IMMEDIATE runs is not looked into");
                return everywhere();
            case verb::set:
                if (does(effect::kind::set_global)) return on_hinted("it sets a variable of one server");
                if (names_nothing && opaque().empty()) return everywhere();
                return query();
            case verb::show:
                if (what_.block.children.empty()) return everywhere();
                return query();
            case verb::xa_start:
            case verb::xa_end:
            case verb::xa_prepare:
            case verb::xa_commit:
            case verb::xa_rollback:
                return rules_.hinted ? on_shard(*rules_.hinted) : everywhere();
            case verb::handler:
                if (names_nothing) return everywhere();
                [[fallthrough]];
            case verb::lock_table:
                look_at(what_.block);
                if (seen_.keyed || !seen_.reference_written.empty())
                    return on_hinted("it concerns tables that are on several shards");
                return unkeyed();
            case verb::load_data:
                look_at(what_.block);
                if (seen_.keyed || !seen_.reference_written.empty())
                    return refused({fault_kind::unsupported,
                                    fmt::format("LOAD DATA into {} is not served",
                                                seen_.keyed ? seen_.keyed_name : seen_.reference_written),
                                    "its rows belong to several shards", "use INSERT, or load each shard directly"});
                return unkeyed();
            case verb::compound:
            case verb::flush:
            case verb::xa_recover:
                return on_hinted("it concerns one server, or may touch any table");
            case verb::ddl:
                look_at(what_.block);
                if (rules_.hinted) return on_shard(*rules_.hinted);
                if (!seen_.keyed && seen_.elsewhere && seen_.reference_written.empty() && opaque().empty() &&
                    !does(effect::kind::pin))
                    return on_shard(first_shard);  // a table that is not in the map
                return on_hinted("tables of the map are on every shard, and definitions are not carried there");
            default:
                return std::nullopt;
        }
    }

    /// What is prepared must be possible; where it goes is known when it is executed.
    placed prepare() {
        auto inner = query();
        return inner.where == placement::refused ? std::move(inner) : everywhere();
    }

    /// EXPLAIN EXECUTE.
    bool runs_prepared() const {
        return what_.verb == verb::explain &&
               std::any_of(what_.effects.begin(), what_.effects.end(),
                           [](const effect& e) { return e.what == effect::kind::execute; });
    }

    placed on_hinted(std::string_view why) const {
        if (rules_.hinted) return on_shard(*rules_.hinted);
        return refused({fault_kind::unsupported, no_shard(), std::string(why),
                        fmt::format("run it on each shard by a comment: {}", hint_example())});
    }

    std::string no_shard() const {
        return fmt::format("this statement does not name one shard of cluster \"{}\"", rules_.map.cluster);
    }
    std::string hint_example() const { return fmt::format("/* ringway: shard={} */", rules_.map.shards.front().name); }

    placed query() {
        look_at(what_.block);
        if (has_uneven_rows() && rules_.dialect == dialect::postgres && !rules_.hinted) return on_shard(first_shard);
        if (auto why = sequence_refusal()) return refused(std::move(*why));
        if (auto why = opaque(); !why.empty() && !rules_.hinted)
            return refused({fault_kind::unsupported, no_shard(), std::move(why),
                            fmt::format("name the shard in a comment: {}", hint_example())});
        if (what_.verb == verb::copy_from && (seen_.keyed || !seen_.reference_written.empty())) return copy_in();
        if (what_.verb == verb::copy_to && what_.copy && seen_.keyed && !rules_.hinted) return copy_out();
        if (what_.verb == verb::truncate && (seen_.keyed || !seen_.reference_written.empty())) return truncate();
        if (what_.verb == verb::lock_table && locks_tables_of_the_map()) return truncate();
        if (!seen_.reference_written.empty()) return copies();
        if (!seen_.keyed_view.empty() && !rules_.hinted) return through_keyed_view();
        if (what_.verb == verb::merge && seen_.keyed) return merge();
        return seen_.keyed ? keyed() : unkeyed();
    }

    /// An INSERT that a server refuses as a whole, whatever it might think of the rows of one shard.
    bool has_uneven_rows() const {
        if (what_.verb != verb::insert || !what_.block.insert) return false;
        const auto& rows = what_.block.insert->rows;
        return std::any_of(rows.begin(), rows.end(),
                           [&](const auto& each) { return each.size() != rows.front().size(); });
    }

    /// In VALUES of one row such a call gives several, in those of several a server refuses it.
    std::string set_returning() const {
        if (what_.verb != verb::insert || !what_.block.insert || what_.block.insert->rows.size() < 2) return {};
        for (const auto& [schema, name] : what_.functions)
            if (nature_of(rules_.in, rules_.path, schema, name).returns_set) return name;
        return {};
    }

    static placed spread(spreading how, fault why) {
        placed out;
        out.where = placement::spread;
        out.spread = how;
        out.refusal = std::move(why);
        return out;
    }

    placed spread_alike() const {
        return spread(spreading::alike, {fault_kind::unsupported,
                                         "this statement runs on every shard, and cannot be one of several in a text",
                                         {},
                                         "send it by itself"});
    }

    /// Tables that are not in the map are made on every shard too: those on the first are the ones that count.
    placed definition() {
        if (auto why = sequence_refusal()) return refused(std::move(*why));
        if (rules_.hinted) return on_shard(*rules_.hinted);
        if (auto why = change_refusal()) return refused(std::move(*why));
        auto source = what_.block;
        for (const auto& each : source.tables)
            if (each.written && tables_.find(each).what == table_class::keyed)
                return on_hinted("it fills a table whose rows belong to several shards");
        std::erase_if(source.tables, [](const table_ref& each) { return each.written; });
        look_at(source);
        const bool pins = std::any_of(what_.effects.begin(), what_.effects.end(),
                                      [](const effect& e) { return e.what == effect::kind::pin; });
        if (pins) return on_hinted("temporary tables live on one shard");
        if (seen_.keyed || seen_.elsewhere || !what_.functions.empty())
            return on_hinted("it fills what it makes with rows of its own");
        return spread_alike();
    }

    std::optional<fault> change_refusal() const {
        return refusal_of_changes(what_, tables_, [this](const statement& calls) {
            return why_copies_differ(calls, rules_.in, rules_.path, sequences_);
        });
    }

    bool locks_tables_of_the_map() const {
        return std::any_of(what_.block.tables.begin(), what_.block.tables.end(), [this](const table_ref& each) {
            const auto what = tables_.find(each).what;
            return what == table_class::keyed || what == table_class::reference;
        });
    }

    /// And LOCK TABLE: the first shard's before the others', as who writes to copies goes there first.
    placed truncate() const {
        if (rules_.hinted) return on_shard(*rules_.hinted);
        if (seen_.elsewhere) return on_hinted("it names tables of the first shard beside those of all shards");
        return spread_alike();
    }

    placed copy_in() const {
        std::string why;
        const auto& table = what_.block.tables.front();
        const auto meaning = tables_.find(table);
        if (meaning.what == table_class::keyed && rules_.map.tables[meaning.map_index].by_schema) return keyed();
        auto recipe = copy_recipe_of(what_, meaning, tables_, why);
        if (why.empty() && rules_.hinted) why = "each row tells its shard, not a hint";
        if (why.empty()) {
            auto out =
                spread(spreading::copied,
                       {fault_kind::unsupported,
                        "COPY into a table that is on several shards cannot be one of several statements in a text",
                        {},
                        "send it by itself"});
            if (recipe.to_all) out.copies = copies_of(seen_, what_, tables_, true);
            out.copy = std::make_shared<const copy_recipe>(std::move(recipe));
            return out;
        }
        return refused({fault_kind::unsupported, fmt::format("this COPY into {} cannot be split by shard", table.name),
                        std::move(why), "send the rows, with their keys, from the client: COPY ... FROM STDIN"});
    }

    /// Each shard's rows; where all are on one, that one's.
    placed copy_out() const {
        const auto meaning = tables_.find(what_.block.tables.front());
        if (meaning.what == table_class::keyed && rules_.map.tables[meaning.map_index].by_schema) return keyed();
        auto out = spread(spreading::merged,
                          {fault_kind::unsupported,
                           "COPY of a table that is on several shards cannot be one of several statements in a text",
                           {},
                           "send it by itself"});
        out.move = copied_rows(what_, tables_);
        note_key(out);
        return out;
    }

    /// On the shard of its keys; or on every shard, where each has all that its own rows meet.
    placed merge() const {
        auto found = find_keys(what_.block, tables_);
        if (!found.key_change.empty())
            return refused({fault_kind::unsupported, "this MERGE changes a shard key", std::move(found.key_change),
                            "delete the row and insert it anew"});
        if (rules_.hinted)
            return refused({fault_kind::unsupported, no_shard(),
                            "it has a form whose rows cannot be told to be of one shard", "remove the hint"});
        auto why = refusal_of_untied(found.untied);
        auto uneven = why_uneven();
        if (uneven.empty()) uneven = called_once();
        if (uneven.empty() && (seen_.elsewhere || seen_.system)) uneven = "it reads tables that are not on every shard";
        if (uneven.empty() && (!what_.block.exact || !merges_apart(what_, tables_, rules_.in)))
            uneven = "its rows may meet rows of other shards";
        placed out;
        out.where = placement::single;
        if (!why && found.exact) {
            if (uneven.empty()) out.spread = spreading::apart;
            out.keys = std::move(found.keys);
            if (seen_.elsewhere || needs_one_place(true)) out.fixed_shard = first_shard;
            return out;
        }
        if (!why) why = fault{fault_kind::unsupported, no_shard(), "it has a form that is not understood", {}};
        if (uneven.empty()) return spread(spreading::apart, std::move(*why));
        why->detail += fmt::format("; it does not run on every shard because {}", uneven);
        why->hint =
            "join the tables by equal shard keys, and insert rows with the key of the source's row; or name one key";
        return refused(std::move(*why));
    }

    /// An INSERT whose rows are made on one shard, then inserted where they belong. Nothing: `why_not` tells why.
    std::optional<placed> carried(std::string& why_not) const {
        auto recipe = find_carry(what_, rules_, tables_, why_not);
        if (!recipe) return std::nullopt;
        auto out =
            spread(spreading::carried,
                   {fault_kind::unsupported,
                    "an INSERT of rows that belong to other shards cannot be one of several statements in a text",
                    {},
                    "send it by itself"});
        out.carry = std::move(recipe);
        return out;
    }

    /// A write to reference tables: each copy must come out the same.
    placed copies() const {
        auto why = rules_.hinted ? std::string("a hint names one shard, and each has a copy") : why_not_alike();
        const char* hint = "give each value as a constant or a parameter";
        if (why.empty()) {
            why = why_order_tells(seen_, what_, tables_, rules_.in, rules_.path);
            hint =
                what_.verb == verb::update && !what_.inner_order && !what_.inner_ties
                    ? "SET x = (SELECT y FROM ... WHERE ...) takes a value from one row; or read the rows first, and "
                      "give them as values"
                    : "read the rows first, and give them as values";
        }
        if (why.empty()) {
            auto out = spread_alike();
            out.copies = copies_of(seen_, what_, tables_, false);
            return out;
        }
        std::string why_not;
        if (auto out = carried(why_not)) {
            if (out->carry->where == carry_recipe::to::all) out->copies = copies_of(seen_, what_, tables_, true);
            return std::move(*out);
        }
        return refused(
            {fault_kind::unsupported,
             fmt::format("this write to reference table {} could leave its copies different", seen_.reference_written),
             why, hint});
    }

    std::string why_not_alike() const {
        if (seen_.keyed || seen_.elsewhere || seen_.system) return "it reads tables that are not the same everywhere";
        if ((what_.verb != verb::insert && what_.verb != verb::update && what_.verb != verb::delete_) ||
            !what_.block.exact)
            return "it is of a form that is not served on several shards";
        if (auto why = why_copies_differ(what_, rules_.in, rules_.path, sequences_); !why.empty()) return why;
        if (!what_.block.insert) return {};
        const auto& made = *what_.block.insert;
        if (made.from_select) return "the order in which a SELECT gives rows may differ by shard";
        const auto meaning = tables_.find(made.table);
        if (!meaning.relation) return "the table is not in the catalogs that were read last";
        for (const auto& row : made.rows) {
            for (const auto& each : row)
                if (each.what == value_source::from::unknown && each.constant == "default")
                    return "a column's default may differ by shard";
            for (std::size_t i = 0; i < meaning.relation->columns.size(); ++i) {
                const auto& column = meaning.relation->columns[i];
                const bool given = made.columns.empty() ? i < row.size()
                                                        : std::find(made.columns.begin(), made.columns.end(),
                                                                    column.name) != made.columns.end();
                if (!given && column.has_default)
                    return fmt::format("column {} has a default, which may differ by shard{}", column.name,
                                       made.columns.empty() ? ", and the INSERT lists no columns" : "");
            }
        }
        return {};
    }

    /// What would have a sequence of all shards give a value twice.
    std::optional<fault> sequence_refusal() const {
        if (seen_.unspaced.empty()) return sequences_.refusal(what_);
        return fault{fault_kind::unsupported,
                     fmt::format("sequence {} is to count on all shards, and does not yet", seen_.unspaced),
                     "Each shard would draw the same values.", "run: ringway init --config FILE"};
    }

    std::string called_once() const { return why_not_once(seen_, what_, rules_.in, rules_.path); }
    std::string opaque() const { return why_opaque(seen_, what_, rules_.in, rules_.path); }
    void look_at(const query_block& block) { see_tables(seen_, block, what_, tables_, sequences_); }

    std::string why_uneven() const { return router::why_uneven(what_, rules_.in, rules_.path, sequences_); }

    /// Empty: each shard's part of this write depends on its own rows and on reference tables only.
    std::string why_not_spread(bool moves = false, const std::string& why_not_moved = {}) const {
        const auto& block = what_.block;
        if (what_.verb == verb::select || what_.verb == verb::explain)
            return "what writes stands within another statement (in WITH, or behind EXPLAIN)";
        if (what_.verb != verb::update && what_.verb != verb::delete_ && what_.verb != verb::insert)
            return "it is of a kind that is not served on several shards";
        if (!block.exact) return "its form is not understood well enough";
        if (seen_.elsewhere || seen_.system) return "it reads tables that are not on every shard";
        const bool selects = what_.verb == verb::insert && block.insert && block.insert->from_select;
        if (selects && !inserts_apart(what_, tables_, rules_.in))
            return "what its SELECT gives is made of rows of several shards, or belongs to other shards than they do";
        if (what_.verb == verb::insert && !selects && !block.insert) return "its rows do not stand in its text";
        if (what_.verb == verb::insert && !selects && !block.children.empty())
            return "it has a query besides its VALUES (WITH, or a subquery among the values, in ON CONFLICT or in "
                   "RETURNING)";
        if (const auto name = set_returning(); !name.empty())
            return fmt::format("function {} may give several rows", name);
        if (!selects && count_keyed(block) != 1 && (moves || !writes_apart(what_, tables_, rules_.in)))
            return "it reads rows of other shards";
        if (block.tables.empty() || tables_.find(block.tables.front()).what != table_class::keyed ||
            !block.tables.front().written)
            return "it writes another table than it is keyed by";
        const auto& entry = rules_.map.tables[tables_.find(block.tables.front()).map_index];
        for (const auto& each : block.assignments)
            if (!moves &&
                (each.column.column == entry.key || std::find(entry.further_keys.begin(), entry.further_keys.end(),
                                                              each.column.column) != entry.further_keys.end()))
                return why_not_moved.empty() ? "it changes the key" : "it changes the key, and " + why_not_moved;
        if (auto why = called_once(); !why.empty()) return why;
        return why_uneven();
    }

    /// By which each shard knows its own rows of the table that is written, or that others' rows are tied to.
    void note_key(placed& out) const {
        const auto meaning = tables_.find(out.scatter ? out.scatter->driver : what_.block.tables.front());
        const auto& mapped = rules_.map.tables[meaning.map_index];
        if ((out.spread != spreading::apart && out.spread != spreading::merged) || !meaning.relation ||
            mapped.function != config::sharding_function::ring)
            return;
        for (const auto& each : meaning.relation->columns)
            if (each.name == mapped.key) {
                out.spread_key = mapped.key;
                out.spread_type = each.type;
            }
    }

    bool locks_rows() const { return rules_.dialect == dialect::postgres && locks_rows_only(what_); }

    /// Rows that are locked where they are.
    row_locks_finding find_locks() const {
        auto uneven = why_uneven();
        if (uneven.empty()) uneven = called_once();
        if (uneven.empty() && needs_one_place()) uneven = "it calls a function of one shard";
        return find_row_locks(what_, tables_, rules_.in, rules_.path, std::move(uneven));
    }

    /// Of keys of several shards, or of none.
    placed locks_over_several(fault why) const {
        auto found = find_locks();
        if (found.recipe) {
            auto out = spread(spreading::apart, std::move(why));
            out.scatter = std::move(found.recipe);
            note_key(out);
            return out;
        }
        why.detail += fmt::format("; its rows are not locked on every shard because {}", found.why_not);
        if (!found.hint.empty()) why.hint = std::move(found.hint);
        return refused(std::move(why));
    }

    int count_keyed(const query_block& block) const {
        int out = 0;
        for (const auto& each : block.tables) out += tables_.find(each).what == table_class::keyed;
        for (const auto& child : block.children) out += count_keyed(child);
        return out;
    }

    /// Its conditions are not followed through the view's: what the view reads is brought to one server.
    placed through_keyed_view() const {
        fault why{fault_kind::unsupported, no_shard(),
                  fmt::format("view {} reads tables that are on several shards", seen_.keyed_view),
                  fmt::format("name the shard in a comment: {}", hint_example())};
        std::string why_not;
        if (auto out = carried(why_not)) return std::move(*out);
        if (!why_not.empty())
            why.detail += fmt::format("; its rows are not carried to their shards because {}", why_not);
        return what_.writes ? refused(std::move(why)) : over_several(std::move(why));
    }

    bool needs_one_place(bool may_draw = false) const {
        may_draw = may_draw && sequences_.draws_anywhere(what_);
        return std::any_of(what_.functions.begin(), what_.functions.end(), [this, may_draw](const auto& name) {
            if (may_draw && is_nextval(name.first, name.second)) return false;
            return nature_of(rules_.in, rules_.path, name.first, name.second).one_place;
        });
    }

    placed unkeyed() const {
        if (rules_.hinted) return on_shard(*rules_.hinted);
        if (seen_.elsewhere || seen_.system || needs_one_place()) return on_shard(first_shard);
        // Who locks rows of reference tables meets there, whatever shards their transactions stand on.
        if (locks_rows() && !(what_.block.tables.empty() && what_.block.children.empty())) return on_shard(first_shard);
        return {};
    }

    placed keyed() const {
        const auto named = with_named_outputs(what_, tables_);
        auto found = find_keys(named ? *named : what_.block, tables_);
        if (!found.key_change.empty())
            return refused(
                {fault_kind::unsupported, "this statement changes a shard key", std::move(found.key_change),
                 "set it to a constant or a parameter of the same shard, or delete the row and insert it anew"});
        std::string why_not_moved;
        const auto move = rules_.hinted ? nullptr : find_key_move(what_, tables_, found.keys, why_not_moved);
        if (auto why = refusal_of_untied(found.untied)) return over_several(std::move(*why), move, why_not_moved);
        if (!found.exact && (!rules_.hinted || what_.writes))
            return over_several({fault_kind::unsupported, no_shard(),
                                 "it has a form whose rows cannot be told to be of one shard",
                                 fmt::format("name the shard in a comment: {}", hint_example())});
        placed out;
        out.where = placement::single;
        out.keys = std::move(found.keys);
        if (!rules_.hinted && !out.keys.empty()) {
            auto whole = gather();
            out.gather = std::move(whole.gather);
            out.scatter = std::move(whole.scatter);
        }
        if (what_.writes && !rules_.hinted) out.alone = why_not_spread(move != nullptr);
        if (what_.writes && !rules_.hinted && out.alone.empty()) {
            const bool given = what_.verb == verb::insert && !what_.block.insert->from_select;
            out.spread = given ? spreading::rows : spreading::apart;
            out.move = move;
            note_key(out);
        }
        if (locks_rows() && !rules_.hinted) {
            auto locks = find_locks();
            out.alone = std::move(locks.why_not);
            out.scatter = std::move(locks.recipe);
            if (out.scatter) out.spread = spreading::apart;
            if (out.scatter) note_key(out);
        }
        std::string why_not;
        if (what_.verb == verb::insert && out.spread != spreading::rows)
            out.carry = find_carry(what_, rules_, tables_, why_not);
        if (out.carry && out.spread == spreading::none) out.spread = spreading::carried;
        if (out.spread != spreading::none) out.alone.clear();
        out.fixed_shard = rules_.hinted;
        if (!out.fixed_shard && (seen_.elsewhere || needs_one_place(true))) out.fixed_shard = first_shard;
        return out;
    }

    /// Run whole on one server, when its answer depends on nothing but its tables' rows; `gather` is null otherwise.
    placed gather() const {
        placed out;
        std::string why_not;
        if (rules_.hinted || needs_one_place()) return out;
        if (auto found = find_gather(what_, tables_, rules_.path, why_not)) {
            const bool plain = what_.verb == verb::select && found->views.empty() && !found->qualified;
            out.gather = std::make_shared<const gather_recipe>(std::move(*found));
            if (plain && why_uneven().empty() && called_once().empty())
                out.scatter = find_scatter(what_, tables_, rules_.in);
        } else {
            out.refusal = fault{fault_kind::unsupported, {}, std::move(why_not), {}};
        }
        return out;
    }

    placed over_several(fault why, const std::shared_ptr<const key_move>& move = nullptr,
                        const std::string& why_not_moved = {}) const {
        if (rules_.dialect == dialect::mysql) return refused(std::move(why));
        if (locks_rows()) return locks_over_several(std::move(why));
        const bool selects = what_.verb == verb::insert && what_.block.insert && what_.block.insert->from_select;
        if (what_.verb == verb::update || what_.verb == verb::delete_ || selects) {
            auto why_not = why_not_spread(move != nullptr, why_not_moved);
            if (why_not.empty()) {
                auto out = spread(spreading::apart, std::move(why));
                out.move = move;
                note_key(out);
                std::string unused;
                if (selects) out.carry = find_carry(what_, rules_, tables_, unused);  // while rows stand twice
                return out;
            }
            std::string why_not_carried;
            if (auto out = carried(why_not_carried)) return std::move(*out);
            why.detail += fmt::format("; it does not run on every shard because {}", why_not);
            if (!why_not_carried.empty())
                why.detail += fmt::format("; its rows are not carried to their shards because {}", why_not_carried);
            return refused(std::move(why));
        }
        std::string why_not;
        if (auto out = carried(why_not)) return std::move(*out);
        if (!why_not.empty() && !why_not.starts_with("it gives no value"))
            why.detail += fmt::format("; its rows are not carried to their shards because {}", why_not);
        auto out = gather();
        if (!out.gather) {
            const bool within = what_.writes && (what_.verb == verb::select || what_.verb == verb::explain);
            if (within) why.detail += fmt::format("; it does not run on every shard because {}", why_not_spread());
            if (out.refusal && !what_.writes) why.detail += fmt::format("; {}", out.refusal->detail);
            return refused(std::move(why));
        }
        if (const auto& why_not_here = why_not_brought(*out.gather); !out.scatter && !why_not_here.empty())
            return refused(object_column_fault(why_not_here, std::move(why.detail)));
        out.where = placement::several;
        out.refusal = std::move(why);
        return out;
    }

    /// A hint stands for a missing condition, but not for the key of a new row.
    std::optional<fault> refusal_of_untied(const std::vector<untied_table>& untied) const {
        for (const auto& each : untied) {
            const auto& entry = rules_.map.tables[each.map_index];
            if (each.inserted)
                return fault{each.missing ? fault_kind::no_key : fault_kind::unsupported,
                             fmt::format("the shard of a new row of {} is not known", entry.name), each.why,
                             fmt::format("give \"{}\" as a constant or a parameter, drawn before by a SELECT where it "
                                         "comes from a sequence or ringway.unique_id()",
                                         entry.key_title())};
            if (!rules_.hinted)
                return fault{fault_kind::unsupported, no_shard(), each.why,
                             fmt::format("add \"{} = ...\" to its conditions, or name the shard in a comment: {}",
                                         entry.key_title(), hint_example())};
        }
        return std::nullopt;
    }

    const statement& what_;
    const placement_rules& rules_;
    table_finder tables_;
    shared_sequences sequences_;
    tables_seen seen_;
};

}  // namespace

placed place(const statement& what, const placement_rules& rules) {
    return placing(what, rules).run();
}

placed together(placed a, placed b) {
    if (a.where == placement::refused) return a;
    if (b.where == placement::refused) return b;
    if (a.where == placement::several || a.where == placement::spread) return refused(std::move(*a.refusal));
    if (b.where == placement::several || b.where == placement::spread) return refused(std::move(*b.refusal));
    if (a.where != placement::single && b.where != placement::single) {
        if (b.where == placement::any_shard) a.where = b.where;
        return a;
    }
    if (a.where != placement::single) return b;
    if (b.where != placement::single) return a;
    a.keys.insert(a.keys.end(), std::make_move_iterator(b.keys.begin()), std::make_move_iterator(b.keys.end()));
    if (a.fixed_shard && b.fixed_shard && a.fixed_shard != b.fixed_shard)
        return refused(
            {fault_kind::unsupported, "the statements of this text need different shards", {}, "send them one by one"});
    if (!a.fixed_shard) a.fixed_shard = b.fixed_shard;
    return a;
}

}  // namespace ringway::router
