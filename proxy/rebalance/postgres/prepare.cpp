// What a move needs on the servers: Ringway's own objects, the tables on a shard that joins, replica identities and
// publications.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "proxy/rebalance/postgres/engine.hpp"
#include "proxy/transaction/array_text.hpp"
#include "proxy/transaction/decisions.hpp"
#include "proxy/transaction/numbering.hpp"
#include "router/ring.hpp"

namespace ringway::proxy::rebalance::postgres {

namespace {

constexpr std::string_view moves_table =
    "CREATE TABLE IF NOT EXISTS ringway.moves (id text PRIMARY KEY, position pg_lsn NOT NULL)";
/// Two who make it at once, or a reader's lock: later.
bool is_passing(const trouble& why) {
    return why.is_lost() || why.state == "55P03" || why.state == "40P01" || why.state == "23505" ||
           why.state == "XX000" || why.state == "42710";
}

result of(const trouble& why, std::string_view what) {
    return {is_passing(why) ? outcome::again : outcome::stop, fmt::format("{}: {}", what, why.message)};
}

/// Without their statements' own semicolons: each object in a transaction.
std::string dropped(const std::string& kind, const std::string& name) {
    const auto dot = name.find('.');
    const auto in_schema =
        dot == std::string::npos ? quoted(name) : quoted(name.substr(0, dot)) + "." + quoted(name.substr(dot + 1));
    if (kind == "table") return "DROP TABLE IF EXISTS " + in_schema + " CASCADE";
    if (kind == "sequence") return "DROP SEQUENCE IF EXISTS " + in_schema + " CASCADE";
    if (kind == "view") return "DROP VIEW IF EXISTS " + in_schema + " CASCADE";
    if (kind == "type") return "DROP TYPE IF EXISTS " + in_schema + " CASCADE";
    if (kind == "schema") return "DROP SCHEMA IF EXISTS " + quoted(name) + " CASCADE";
    if (kind == "extension") return "DROP EXTENSION IF EXISTS " + quoted(name) + " CASCADE";
    const auto tab = name.find('\t');  // the owner that was
    if (kind == "schema-owner")
        return tab == std::string::npos ? std::string()
                                        : fmt::format("ALTER SCHEMA {} OWNER TO {}", quoted(name.substr(0, tab)),
                                                      quoted(name.substr(tab + 1)));
    if (kind == "database-owner")
        return tab == std::string::npos
                   ? std::string()
                   : fmt::format(
                         "DO $x$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), {}); "
                         "END $x$",
                         link::quoted(name.substr(tab + 1)));
    if (kind == "role")  // who is connected as it would go on with nobody's rights
        return fmt::format(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {} AND datname = "
            "current_database() AND pid <> pg_backend_pid(); DROP ROLE IF EXISTS {}",
            link::quoted(name), quoted(name));
    if (kind == "function") {
        const auto open = name.find('(');
        return "DROP ROUTINE IF EXISTS " + quoted(name.substr(0, dot)) + "." +
               quoted(name.substr(dot + 1, open - dot - 1)) + name.substr(open) + " CASCADE";
    }
    return {};  // goes with what it belongs to
}

/// It waits for all that use the table, and everybody else waits behind it: so it tries briefly, and often.
std::optional<trouble> set_identity(link& on, const stop_signal& stop, std::string_view table, std::string_view to) {
    constexpr int tries = 30;
    for (int i = 1;; ++i) {
        auto why = on.run(fmt::format("SET lock_timeout = '100ms'; ALTER TABLE {} REPLICA IDENTITY {}", table, to));
        if (!why || why->state != "55P03" || i == tries || stop.is_raised()) return why;
        std::this_thread::sleep_for(std::chrono::milliseconds(100 + 37 * i % 100));  // other statements go on
    }
}

}  // namespace

result postgres_engine::make_objects(std::uint16_t shard) {
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) return made;
    for (const auto& sql :
         {std::string("SET search_path = public"), std::string(router::postgres_position_function()),
          std::string(decision_objects()), std::string(numbering_objects()), std::string(router::place_function()),
          std::string("GRANT EXECUTE ON FUNCTION ringway.place(text) TO PUBLIC"), std::string(moves_table)})
        if (auto why = on->run(sql)) return of(*why, name_of(shard));
    return {};
}

/// In passes: what needs something that comes later is tried again.
result postgres_engine::make_schema(std::uint16_t shard, bool replaces, bool indexes) {
    std::unique_ptr<link> model, on;
    if (auto made = connect(0, model); !made.ok()) return made;
    if (auto made = connect(shard, on); !made.ok()) return made;
    std::vector<schema_object> first, second;
    if (auto why = read_schema(*model, first)) return of(*why, name_of(0));
    if (auto why = read_schema(*on, second)) return of(*why, name_of(shard));
    auto difference = compare(first, second, replaces);
    if (!difference.refusals.empty())
        return {outcome::stop, fmt::format("shard {}: {}", name_of(shard), difference.refusals.front())};
    if (auto why = on->run("SET check_function_bodies = off")) return of(*why, name_of(shard));
    auto& left = difference.missing;
    if (!indexes) std::erase_if(left, [](const schema_object& each) { return each.form.starts_with("CREATE INDEX "); });
    std::size_t number = 0;
    {
        const std::lock_guard guard(lock_);
        for (const auto& [name, value] : plan_.notes) number += name.starts_with("made ");
    }
    while (!left.empty()) {
        std::vector<schema_object> later;
        std::optional<trouble> first_of_all;
        for (auto& each : left) {
            const auto name = each.was.empty() ? each.name : each.name + "\t" + each.was;
            if (!dropped(each.kind, name).empty() &&
                !note(fmt::format("made {} {:06}", name_of(shard), number++), each.kind + " " + name))
                return {outcome::again, "the journal cannot be written"};
            auto why = on->run(each.make);
            if (!why) continue;
            if (why->is_lost()) return of(*why, name_of(shard));
            if (!first_of_all)
                first_of_all = trouble{why->state, fmt::format("{} {}: {}", each.kind, each.name, why->message)};
            later.push_back(std::move(each));
        }
        if (later.size() == left.size()) {
            const auto of_an_index = [](const schema_object& each) {
                return each.kind == "cluster" || each.name.starts_with("INDEX ");
            };
            if (!indexes && std::all_of(later.begin(), later.end(), of_an_index)) break;
            return {outcome::stop, fmt::format("shard {}: {}", name_of(shard), first_of_all->message)};
        }
        left = std::move(later);
    }
    return space_sequences(shard);
}

/// Behind make_objects: a number of its own, as `ringway init` would give it.
result postgres_engine::give_number(std::uint16_t shard) {
    std::unique_ptr<link> model, on;
    if (auto made = connect(0, model); !made.ok()) return made;
    if (auto made = connect(shard, on); !made.ok()) return made;
    rows known, made;
    if (auto why = on->ask("SELECT number, token FROM ringway.node WHERE shard = $1", {name_of(shard)}, known))
        return of(*why, name_of(shard));
    if (known.size() == 1) {
        if (auto why = model->ask("SELECT number FROM ringway.lease_node($1::int, $2, $3)",
                                  {std::string(known.at(0, 0)), std::string(known.at(0, 1)), name_of(shard)}, made))
            return of(*why, name_of(0));
        if (!made.is_null(0, 0)) return {};
    }
    if (auto why = model->ask("SELECT number, token FROM ringway.lease_node(NULL, NULL, $1)", {name_of(shard)}, made))
        return of(*why, name_of(0));
    if (auto why = on->ask("SELECT ringway.take_node($1::int, $2, $3)",
                           {std::string(made.at(0, 0)), std::string(made.at(0, 1)), name_of(shard)}, known))
        return of(*why, name_of(shard));
    return {};
}

/// Those that count on all shards do so on one that joins too, from where the first shard's is on.
result postgres_engine::space_sequences(std::uint16_t shard) {
    if (view_.config.sequences.empty()) return {};
    std::unique_ptr<link> model, on;
    if (auto made = connect(0, model); !made.ok()) return made;
    if (auto made = connect(shard, on); !made.ok()) return made;
    rows named, got;
    if (auto why =
            model->ask(fmt::format("SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c, pg_namespace n "
                                   "WHERE {} AND c.oid IN (SELECT id FROM ringway.sequences)",
                                   is_named_sequence),
                       {array_text::of(view_.config.sequences)}, named))
        return of(*why, name_of(0));
    for (std::size_t i = 0; i < named.size(); ++i) {
        const std::string name(named.at(i, 0));
        if (auto why = on->ask(
                fmt::format("SELECT FROM pg_sequence WHERE seqrelid = to_regclass($1) AND {}", is_spaced_sequence),
                {name}, got))
            return of(*why, name_of(shard));
        if (got.size() == 1) continue;
        if (auto why = model->ask(fmt::format("SELECT last_value FROM {}", name), got)) return of(*why, name_of(0));
        const std::string above(got.at(0, 0));
        if (auto why =
                on->ask(fmt::format("SELECT ringway.space_sequence($1::text::regclass, greatest($2::bigint, (SELECT "
                                    "last_value FROM {})))",
                                    name),
                        {name, above}, got))
            return of(*why, name_of(shard));
    }
    return {};
}

/// Last first. Of a shard that joins only. `roles`: these too; not when they have been used, and connections are
/// theirs.
result postgres_engine::unmake_schema(std::uint16_t shard, bool roles) {
    std::vector<std::pair<std::string, std::string>> made;
    {
        const std::lock_guard guard(lock_);
        for (const auto& [name, value] : plan_.notes)
            if (name.starts_with(fmt::format("made {} ", name_of(shard)))) made.emplace_back(name, value);
    }
    if (made.empty()) return {};
    std::unique_ptr<link> on;
    if (auto connected = connect(shard, on); !connected.ok()) return connected;
    for (auto each = made.rbegin(); each != made.rend(); ++each) {
        const auto blank = each->second.find(' ');
        const auto kind = each->second.substr(0, blank);
        if (kind == "role" && !roles) continue;
        const auto why = on->run(dropped(kind, each->second.substr(blank + 1)));
        // A role may be used in another database by now; it is then left.
        if (why && (why->is_lost() || kind != "role")) return of(*why, name_of(shard));
    }
    {
        const std::lock_guard guard(lock_);
        for (const auto& each : made) plan_.notes.erase(each.first);
        save_();
    }
    return {};
}

/// Old rows come whole, so that it is known where they were and what of them has not changed.
result postgres_engine::watch_tables(std::uint16_t shard) {
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) return made;
    for (const auto& table : tables_) {
        rows got;
        if (auto why =
                on->ask("SELECT relreplident, coalesce((SELECT quote_ident(i.relname) FROM pg_index x JOIN pg_class "
                        "i ON i.oid = indexrelid WHERE indrelid = c.oid AND indisreplident), '') FROM pg_class c "
                        "WHERE oid = $1::regclass",
                        {table.qualified()}, got))
            return of(*why, name_of(shard));
        if (got.at(0, 0) == "f") continue;
        const std::string was = got.at(0, 0) == "d"   ? "DEFAULT"
                                : got.at(0, 0) == "n" ? "NOTHING"
                                                      : fmt::format("USING INDEX {}", got.at(0, 1));
        if (!note(fmt::format("identity {} {}", name_of(shard), table.qualified()), was))
            return {outcome::again, "the journal cannot be written"};
        if (auto why = set_identity(*on, stop_, table.qualified(), "FULL"))
            return of(*why, fmt::format("{} {}", name_of(shard), table.plain()));
    }
    return {};
}

result postgres_engine::unwatch_tables(std::uint16_t shard) {
    const auto prefix = fmt::format("identity {} ", name_of(shard));
    std::vector<std::pair<std::string, std::string>> noted;
    {
        const std::lock_guard guard(lock_);
        for (const auto& [name, value] : plan_.notes)
            if (name.starts_with(prefix)) noted.emplace_back(name, value);
    }
    if (noted.empty()) return {};
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) return made;
    for (const auto& [name, was] : noted) {
        const auto why = set_identity(*on, stop_, name.substr(prefix.size()), was);
        const bool gone = why && (why->state == "42P01" || why->state == "3F000" || why->state == "42704");
        if (why && !gone) return of(*why, name_of(shard));
        const std::lock_guard guard(lock_);
        plan_.notes.erase(name);
        save_();
    }
    return {};
}

result postgres_engine::publish(std::uint16_t shard, const std::string& name, bool references) {
    std::string list;
    for (const auto& each : tables_)
        if (!each.reference || references) list += (list.empty() ? "" : ", ") + each.qualified();
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) return made;
    if (auto why = on->run(fmt::format("DROP PUBLICATION IF EXISTS {}", name))) return of(*why, name_of(shard));
    if (list.empty()) return {outcome::stop, "no table of the map is there"};
    if (auto why = on->run(fmt::format("CREATE PUBLICATION {} FOR TABLE {}", name, list)))
        return of(*why, name_of(shard));
    return {};
}

/// Shards that serve, before anything is asked of them that needs Ringway's functions.
result postgres_engine::equip() {
    if (auto seen = look(); !seen.ok()) return seen;
    const auto shards = static_cast<std::uint16_t>(view_.config.shards.size());
    for (std::uint16_t shard = 0; shard < shards; ++shard)
        if (!joins(shard))
            if (auto made = make_objects(shard); !made.ok()) return made;
    return {};
}

/// What has been defined since a shard that joins was made like the first one: it is made there too.
result postgres_engine::carry_schema() {
    const auto all = targets();
    if (std::none_of(all.begin(), all.end(), [this](std::uint16_t each) { return joins(each); })) return {};
    std::unique_ptr<link> model;
    if (auto made = connect(0, model); !made.ok()) return made;
    std::string mark;
    if (auto why = schema_mark(*model, mark)) return of(*why, name_of(0));
    if (mark == schema_mark_) return {};
    for (const auto each : all) {
        if (!joins(each)) continue;
        auto made = make_schema(each, true, true);
        if (made.how == outcome::stop) made.how = outcome::restart;  // a copy that begins anew makes it anew
        if (!made.ok()) return made;
    }
    schema_mark_ = mark;
    return {};
}

result postgres_engine::prepare() {
    if (auto made = equip(); !made.ok()) return made;
    schema_mark_.clear();
    for (const auto each : targets()) {
        if (!joins(each)) continue;
        if (schema_mark_.empty()) {
            std::unique_ptr<link> model;
            if (auto made = connect(0, model); !made.ok()) return made;
            if (auto why = schema_mark(*model, schema_mark_)) return of(*why, name_of(0));
        }
        if (auto made = make_objects(each); !made.ok()) return made;
        if (auto made = give_number(each); !made.ok()) return made;
        if (auto made = make_schema(each, false, false); !made.ok()) return made;
    }
    if (auto seen = look_at_tables(); !seen.ok()) return seen;
    for (const auto each : sources())
        if (auto done = watch_tables(each); !done.ok()) return done;
    for (auto& each : moves_)
        if (auto done = publish(each->source, each->slot, each->references); !done.ok()) return done;
    std::vector<planned_table> ignored;
    return estimate(ignored);
}

}  // namespace ringway::proxy::rebalance::postgres
