#pragma once
// Statements that are not queries: what they are, and what they do to the session.

#include <span>
#include <string_view>

#include "router/postgres/tree.hpp"
#include "router/postgres/values.hpp"
#include "router/statement.hpp"

namespace ringway::router::postgres {

/// The text a statement stands in.
struct surroundings {
    std::string_view text;
    std::span<const literal> literals;
    value_finder& values;
};

/// SET and RESET in all spellings.
void read_set(node set, const surroundings& in, statement& out);
void read_transaction(node transaction, statement& out);
/// PREPARE, EXECUTE, DEALLOCATE: names and where they stand.
void read_prepare(node prepare, const surroundings& in, statement& out);
void read_execute(node execute, const surroundings& in, statement& out);
void read_deallocate(node deallocate, const surroundings& in, statement& out);
void read_discard(node discard, statement& out);

/// Verb of a utility statement's node name; `ddl` for whatever changes the catalogs; `other` when not known.
verb verb_of(std::string_view node_name);
/// CREATE TEMP ..., anything in pg_temp, SELECT INTO TEMP: pins.
void pin_temporary(node within, statement& out);

}  // namespace ringway::router::postgres
