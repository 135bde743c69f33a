#include "proxy/transaction/decisions.hpp"

namespace ringway::proxy {

std::string_view decision_objects() noexcept {
    // Transactions' ids are 128 random bits: who may call the functions still cannot decide about others' transactions.
    return R"sql(
CREATE SCHEMA IF NOT EXISTS ringway;
CREATE TABLE IF NOT EXISTS ringway.decisions (
    id text PRIMARY KEY,
    committed boolean NOT NULL,
    decided timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
CREATE OR REPLACE FUNCTION ringway.decide(id text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $ringway$ INSERT INTO ringway.decisions (id, committed) VALUES ($1, true) $ringway$;
CREATE OR REPLACE FUNCTION ringway.outcome(id text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
    AS $ringway$
    BEGIN
        INSERT INTO ringway.decisions (id, committed) VALUES ($1, false) ON CONFLICT DO NOTHING;
        RETURN (SELECT d.committed FROM ringway.decisions d WHERE d.id = $1);
    END $ringway$;
GRANT USAGE ON SCHEMA ringway TO PUBLIC;
GRANT EXECUTE ON FUNCTION ringway.decide(text), ringway.outcome(text) TO PUBLIC;
)sql";
}

}  // namespace ringway::proxy
