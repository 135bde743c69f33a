#include "proxy/transaction/numbering.hpp"

namespace ringway::proxy {

std::string_view numbering_objects() noexcept {
    // A tick is a millisecond and a counter of 12 bits. Who draws holds the lock within a subtransaction only, whose
    // end gives it back; what a sequence has been set to stays. So ticks never go back, whatever the clock does. A new
    // primary is on another timeline, and so another node: what its predecessor drew last it may not know.
    return R"sql(
CREATE TABLE IF NOT EXISTS ringway.nodes (
    number integer PRIMARY KEY CHECK (number BETWEEN 0 AND 127),
    token text NOT NULL UNIQUE,
    shard text NOT NULL,
    leased timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
CREATE TABLE IF NOT EXISTS ringway.node (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    number integer NOT NULL CHECK (number BETWEEN 0 AND 127),
    token text NOT NULL,
    shard text NOT NULL);
CREATE TABLE IF NOT EXISTS ringway.sequences (id oid PRIMARY KEY);
GRANT SELECT ON ringway.sequences TO PUBLIC;
CREATE SEQUENCE IF NOT EXISTS ringway.ticks MINVALUE 0;

CREATE OR REPLACE FUNCTION ringway.unique_id() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $ringway$
    DECLARE
        node integer := (SELECT n.number FROM ringway.node n);
        now_tick bigint;
        tick bigint;
    BEGIN
        IF node IS NULL THEN
            RAISE EXCEPTION 'this shard has no node number for ringway.unique_id()'
                USING ERRCODE = '55000', HINT = 'run: ringway init --config FILE';
        END IF;
        node := node * 8 + (('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 8, 1))::bit(4)::integer & 7);
        BEGIN
            LOCK TABLE ringway.node IN SHARE ROW EXCLUSIVE MODE;
            now_tick := floor((extract(epoch FROM clock_timestamp()) - 1735689600) * 1000)::bigint << 12;
            tick := nextval('ringway.ticks');
            IF tick < now_tick THEN
                tick := setval('ringway.ticks', now_tick);
            END IF;
            RAISE EXCEPTION SQLSTATE 'RW001';
        EXCEPTION WHEN SQLSTATE 'RW001' THEN
            NULL;
        END;
        RETURN (tick >> 12 << 22) | (node::bigint << 12) | (tick & 4095);
    END $ringway$;
GRANT EXECUTE ON FUNCTION ringway.unique_id() TO PUBLIC;

-- On the first shard. With a number: whether it is this shard's, which it then stays. Without: a new one.
CREATE OR REPLACE FUNCTION ringway.lease_node(INOUT number integer, INOUT token text, shard text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $ringway$
    #variable_conflict use_column
    BEGIN
        LOCK TABLE ringway.nodes IN EXCLUSIVE MODE;
        IF lease_node.number IS NOT NULL THEN
            INSERT INTO ringway.nodes (number, token, shard)
                VALUES (lease_node.number, lease_node.token, lease_node.shard) ON CONFLICT DO NOTHING;
            IF NOT EXISTS (SELECT FROM ringway.nodes n WHERE n.number = lease_node.number
                           AND n.token = lease_node.token AND n.shard = lease_node.shard) THEN
                lease_node.number := NULL;
            END IF;
            RETURN;
        END IF;
        lease_node.number := (SELECT coalesce(max(n.number), -1) + 1 FROM ringway.nodes n);
        lease_node.token := md5(concat(random(), clock_timestamp(), pg_backend_pid(), random()));
        IF lease_node.number > 127 THEN
            RAISE EXCEPTION 'all 128 node numbers have been leased'
                USING DETAIL = 'ringway.nodes on the first shard lists them.';
        END IF;
        INSERT INTO ringway.nodes (number, token, shard)
            VALUES (lease_node.number, lease_node.token, lease_node.shard);
    END $ringway$;

CREATE OR REPLACE FUNCTION ringway.take_node(number integer, token text, shard text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $ringway$
    INSERT INTO ringway.node (number, token, shard) VALUES ($1, $2, $3)
        ON CONFLICT (only_one) DO UPDATE SET number = $1, token = $2, shard = $3 $ringway$;

-- From now on the sequence gives only this shard's values, all above `above`: number + 1, and each 128th behind it.
CREATE OR REPLACE FUNCTION ringway.space_sequence(which regclass, above bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $ringway$
    DECLARE
        node integer := (SELECT n.number FROM ringway.node n);
        own_first bigint := node + 1;
    BEGIN
        IF node IS NULL THEN
            RAISE EXCEPTION 'this shard has no node number' USING HINT = 'run: ringway init --config FILE';
        END IF;
        IF above >= own_first THEN
            own_first := own_first + (above - own_first) / 128 * 128 + 128;
        END IF;
        EXECUTE format('ALTER SEQUENCE %s INCREMENT BY 128 MINVALUE 1 START WITH %s RESTART WITH %s', which, node + 1, own_first);
        INSERT INTO ringway.sequences VALUES (which) ON CONFLICT DO NOTHING;
    END $ringway$;

REVOKE EXECUTE ON FUNCTION ringway.lease_node(integer, text, text), ringway.take_node(integer, text, text),
    ringway.space_sequence(regclass, bigint) FROM PUBLIC;
)sql";
}

}  // namespace ringway::proxy
