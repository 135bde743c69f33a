#include "router/need.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "router/postgres/walk.hpp"
#include "router/search_path.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

/// A lock of the transaction's, by the built-in function.
bool takes_lock(std::string_view schema, std::string_view name) {
    static constexpr std::array<std::string_view, 4> all{"pg_advisory_xact_lock", "pg_advisory_xact_lock_shared",
                                                         "pg_try_advisory_xact_lock",
                                                         "pg_try_advisory_xact_lock_shared"};
    return (schema.empty() || schema == "pg_catalog") && std::find(all.begin(), all.end(), name) != all.end();
}

/// What is no reason for the primary, if asked for: locks, functions that are volatile without effect.
enum class past : std::uint8_t { none, locks, quiet };

/// Collects the first reason for the primary.
class judgement {
  public:
    /// `past`: what is let pass.
    judgement(const statement& what, const catalog* in, const std::vector<std::string>& path,
              past what_else = past::none)
        : what_(what),
          in_(in),
          path_(path),
          past_locks_(what_else == past::locks),
          past_quiet_(what_else == past::quiet) {}

    need_finding run() {
        if (what_.writes) primary("changes data or definitions");
        if (what_.locks_rows && !past_locks_) primary("locks rows");
        if (defines()) may_set({});  // defaults, checks and event triggers run; search_path may make it temporary
        by_verb();
        for (const auto& each : what_.effects) by_effect(each);
        for (const auto& [schema, name] : what_.functions) function(schema, name);
        if (const auto use = volatile_use(in_, what_); !use.empty()) {
            primary(use);
            by_operators_and_casts();
        }
        tables(what_.block);
        for (const auto& each : what_.attributes) attribute(each);
        if (out_.need == need::any) out_.reason = "reads only";
        return std::move(out_);
    }

  private:
    void primary(std::string why) {
        if (out_.need == need::any) out_.reason = std::move(why);
        out_.need = need::primary;
    }

    void may_set(const std::string& pin) {
        out_.may_set = true;
        if (out_.pin.empty()) out_.pin = pin;
    }

    void by_verb() {
        switch (what_.verb) {
            case verb::begin:
                if (!what_.read_only_begin) primary("a transaction that may write");
                break;
            case verb::show:
                if (what_.name == "transaction_read_only" || what_.name == "in_hot_standby" || what_.name == "all")
                    primary("asks about the server's role");
                break;
            case verb::call:
            case verb::do_block:
                primary("runs a procedure");
                out_.may_set = true;
                break;
            case verb::execute:
                primary("runs a prepared statement");
                break;
            case verb::listen:
            case verb::notify:
                primary("notifications live on the primary");
                break;
            case verb::load_library:
                primary("loads a library");
                break;
            case verb::maintenance:  // runs the functions of indexes
                may_set({});
                break;
            case verb::lock_table:
                if (!past_locks_) primary("locks a table");
                break;
            case verb::prepare_transaction:
                primary("prepares a transaction");
                break;
            case verb::commit_prepared:
            case verb::rollback_prepared:
                primary("ends a prepared transaction");
                break;
            default:
                break;
        }
    }

    /// A pinned connection serves the session's writes too; what EXPLAIN EXECUTE runs is not known here.
    void by_effect(const effect& each) {
        if (each.what == effect::kind::pin) primary("the session stays on its connection: " + each.pin);
        if (each.what == effect::kind::execute) primary("runs a prepared statement");
        if (each.what == effect::kind::set_local && !replica_takes(each)) primary("asks for what no replica does");
        if (each.what == effect::kind::set && names_object(each.name)) primary("names what a replica may not know yet");
        // What stands in the old encoding may tie the session to the connection that knows it.
        const bool recodes =
            each.name == "client_encoding" && (each.what == effect::kind::set || each.what == effect::kind::reset);
        if (recodes) primary("the session may have to stay on its connection: client_encoding");
    }

    /// SET TRANSACTION: READ WRITE and SERIALIZABLE are errors there.
    static bool replica_takes(const effect& mode) {
        if (mode.name != "transaction_read_only" && mode.name != "transaction_isolation") return true;
        static constexpr std::array<std::string_view, 4> taken{"on", "read committed", "read uncommitted",
                                                               "repeatable read"};
        return mode.values.size() == 1 && mode.values.front().what == value_source::from::constant &&
               std::find(taken.begin(), taken.end(), mode.values.front().constant) != taken.end();
    }

    static bool names_object(std::string_view setting) {
        return setting == "role" || setting == "session_authorization" || setting == "default_tablespace" ||
               setting == "temp_tablespaces" || setting == "default_text_search_config";
    }

    bool is_built_in(const std::string& name) const {
        const auto places = places_of(in_, name);
        return !places.empty() && std::all_of(places.begin(), places.end(),
                                              [](const function_place& place) { return place.schema == "pg_catalog"; });
    }

    void function(const std::string& schema, const std::string& name) {
        if (past_locks_ && takes_lock(schema, name) && is_built_in(name)) return;
        const auto nature = nature_of(in_, path_, schema, name);
        if (past_quiet_ && nature.quiet) return;
        if (nature.may_set) may_set(pin_of_call(name, nature.unknown));
        if (nature.needs_primary)
            primary(fmt::format("{} {}", nature.unknown ? "unknown function" : "volatile function", name));
    }

    std::string pin_of_call(const std::string& name, bool unknown) const {
        if (!in_) return {};
        if (unknown) return std::string(unseen_function);
        const auto found = in_->effects.pins.find(name);
        return std::string(found == in_->effects.pins.end() ? postgres::pin_of_function(name) : found->second);
    }

    /// Those that the text may mean do to the session what their functions do; of what no function is known of,
    /// anything may be.
    void by_operators_and_casts() {
        bool known = false;
        const auto runs = [&](const std::string& function) {
            known = true;
            may_set(pin_of_call(function, false));
        };
        for (const auto& each : in_->operators)
            if (std::find(what_.operators.begin(), what_.operators.end(), each.symbol) != what_.operators.end())
                runs(each.function);
        for (const auto& each : in_->casts)
            if (std::any_of(what_.cast_types.begin(), what_.cast_types.end(), [&](const auto& type) {
                    return std::find(each.types.begin(), each.types.end(), type) != each.types.end();
                }))
                runs(each.function);
        may_set(known ? pin_of_casts() : in_->effects.any_pin);  // a cast may be gone through unasked
    }

    /// Which casts a table's columns go through unasked is not known here: those of any type that pin.
    std::string pin_of_casts() const {
        for (const auto& each : in_->casts)
            if (auto pin = pin_of_call(each.function, false); !pin.empty()) return pin;
        return {};
    }

    void tables(const query_block& block) {
        for (const auto& table : block.tables) relation(table);
        for (const auto& child : block.children) tables(child);
    }

    /// What it writes may be what it makes.
    bool defines() const {
        return std::any_of(what_.effects.begin(), what_.effects.end(),
                           [](const effect& each) { return each.what == effect::kind::catalog_changed; });
    }

    void relation(const table_ref& table) {
        const auto* found = in_ ? find_relation(*in_, path_, table.schema, table.name) : nullptr;
        if (found && table.written && found->triggers_set) may_set(in_->effects.trigger_pin);
        if (found && table.written)
            for (const auto& each : found->write_functions) attached(each);
        if (found && found->row_security)
            for (const auto& each : found->policy_functions) {
                attached(each);
                if (out_.may_set) primary(fmt::format("row policies of {} change the session", table.name));
            }
        if (found && table.written && sets_by_writing(*found)) may_set({});
        if (!found) {
            primary("unknown table " + table.name);
            if (!table.written || !defines()) may_set({});  // by a trigger; it may be a view, too
        } else if ((found->kind == 'S' || found->unlogged) && !past_locks_) {
            primary(fmt::format("{} {} is not the same on a replica", found->unlogged ? "unlogged table" : "sequence",
                                table.name));
        } else if (found->view_writes || found->row_security_writes) {
            primary(fmt::format("{} {} runs something volatile", found->kind == 'v' ? "view" : "table", table.name));
            if (!is_system_schema(found->schema))
                may_set(!found->row_security_writes ? found->view_pin
                        : found->row_security       ? in_->effects.any_pin
                                                    : pin_of_casts());
        }
    }

    /// pg_settings, whose own rule sets what is updated, and views over it: they have no table below them.
    static bool sets_by_writing(const catalog_relation& view) {
        if (view.kind != 'v') return false;
        const auto& through = view.view_tables;
        return (view.name == "pg_settings" && is_system_schema(view.schema)) || through.empty() ||
               std::any_of(through.begin(), through.end(),
                           [](const std::string& each) { return each.starts_with("pg_catalog."); });
    }

    /// Of a default, a check, an index, a row policy: what it leaves in the session.
    void attached(const attached_function& each) {
        const auto found = in_->effects.pins.find(each.name);
        if (found != in_->effects.pins.end() && !is_system_schema(each.schema))
            may_set(found->second);
        else if (is_system_schema(each.schema) && !postgres::pin_of_function(each.name).empty())
            may_set(std::string(postgres::pin_of_function(each.name)));
        else if (is_system_schema(each.schema) ? each.name == "set_config" : in_->effects.setters.contains(each.name))
            may_set({});
    }

    /// t.f is the function f(t) when t has no column f.
    void attribute(const column_ref& each) {
        const auto places = places_of(in_, each.column);
        if (std::none_of(places.begin(), places.end(),
                         [](const function_place& place) { return place.is_volatile && place.schema != "pg_catalog"; }))
            return;
        if (!each.table.empty() && is_column(*in_, path_, what_.block, each)) return;
        primary("volatile function " + each.column);
        may_set(pin_of_call(each.column, false));
    }

    const statement& what_;
    const catalog* in_;
    const std::vector<std::string>& path_;
    const bool past_locks_, past_quiet_;
    need_finding out_;
};

}  // namespace

need_finding need_of(const statement& what, const catalog* in, const std::vector<std::string>& path) {
    return judgement(what, in, path).run();
}

bool is_quiet(const statement& what, const catalog* in, const std::vector<std::string>& path) {
    const auto found = judgement(what, in, path, past::quiet).run();
    return found.need == need::any && !found.may_set;
}

lock_use lock_use_of(const plan& what, const plan_context& with) {
    if (what.need != need::primary || with.dialect != dialect::postgres || !with.catalog) return lock_use::none;
    const auto& statements = what.parsed.statements;
    const bool locks = std::any_of(statements.begin(), statements.end(), [](const statement& each) {
        return each.locks_rows || each.verb == verb::lock_table ||
               std::any_of(each.functions.begin(), each.functions.end(),
                           [](const auto& called) { return takes_lock(called.first, called.second); });
    });
    if (!locks) return lock_use::none;
    const auto path = schemas_of(
        with.search_path.empty() ? std::string_view(with.catalog->default_search_path) : with.search_path, with.user);
    const bool only =
        what.parsed.error.empty() && std::all_of(statements.begin(), statements.end(), [&](const statement& each) {
            const auto found = judgement(each, with.catalog, path, past::locks).run();
            return found.need == need::any && !found.may_set;
        });
    return only ? lock_use::only : lock_use::some;
}

bool is_session_command(verb what) noexcept {
    switch (what) {
        case verb::begin:
        case verb::commit:
        case verb::rollback:
        case verb::savepoint:
        case verb::release:
        case verb::rollback_to:
        case verb::prepare_transaction:
        case verb::set:
        case verb::reset:
        case verb::show:
        case verb::discard:
        case verb::prepare:
        case verb::execute:
        case verb::deallocate:
        case verb::fetch:
        case verb::close_cursor:
        case verb::unlisten:
        case verb::set_constraints:
        case verb::load_library:
        case verb::use_database:
        case verb::handler:
        case verb::unlock_tables:
        case verb::xa_start:
        case verb::xa_end:
        case verb::xa_prepare:
        case verb::kill:
        case verb::diagnostics:
            return true;
        default:
            return false;
    }
}

}  // namespace ringway::router
