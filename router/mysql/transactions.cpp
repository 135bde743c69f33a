// Transactions, XA and locks of tables.

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

void parser::begin() {
    if (is("not", 1) && is("atomic", 2)) return compound_statement();
    take();
    accept("work");
    made_->verb = verb::begin;
    made_->implicit_commit = true;
}

/// START TRANSACTION; START SLAVE and its kin.
void parser::start_transaction() {
    if (!is("transaction", 1)) return maintenance();
    at_ += 2;
    made_->verb = verb::begin;
    made_->implicit_commit = true;
    if (at_end()) return;
    do {
        if (accept("with")) {
            expect("consistent");
            expect("snapshot");
            made_->consistent_snapshot = true;
        } else {
            expect("read");
            if (accept("only"))
                made_->read_only_begin = true;
            else
                expect("write");
        }
    } while (accept_symbol(","));
}

void parser::commit_or_rollback(verb what) {
    made_->verb = what;
    take();
    accept("work");
    if (what == verb::rollback && accept("to")) {
        accept("savepoint");
        made_->verb = verb::rollback_to;
        made_->name = column_name();
        return;
    }
    if (accept("and")) {
        const bool no = accept("no");
        expect("chain");
        made_->chain = !no;
    }
    if (accept("no"))
        expect("release");
    else
        made_->release = accept("release");
}

std::string parser::xid() {
    const auto from = peek().offset;
    for (int part = 0; part < 3; ++part) {
        if (part > 0 && !accept_symbol(",")) break;
        if (!is_literal()) {
            fail("an xid");
            return {};
        }
        take();
    }
    const auto span = since(from);
    return std::string(text_.substr(span.offset, span.length));
}

/// The xid stands in the text's literals: a plan with its name serves no other text.
void parser::xa() {
    expect("xa");
    out_.cacheable = false;
    if (accept_one({"start", "begin"})) {
        made_->verb = verb::xa_start;
        made_->name = xid();
        accept_one({"join", "resume"});
        add_pin("XA transaction");
    } else if (accept("end")) {
        made_->verb = verb::xa_end;
        made_->name = xid();
        if (accept("suspend") && accept("for")) expect("migrate");
    } else if (accept("prepare")) {
        made_->verb = verb::xa_prepare;
        made_->name = xid();
    } else if (accept("commit")) {
        made_->verb = verb::xa_commit;
        made_->name = xid();
        if (accept("one")) {
            expect("phase");
            made_->chain = true;
        }
    } else if (accept("rollback")) {
        made_->verb = verb::xa_rollback;
        made_->name = xid();
    } else if (accept("recover")) {
        made_->verb = verb::xa_recover;
        if (accept("format")) {
            accept_symbol("=");
            name_or_string();
        } else if (accept("convert")) {
            expect("xid");
        }
    } else {
        fail("START");
    }
}

/// LOCK TABLES a READ, b AS c WRITE; LOCK INSTANCE FOR BACKUP.
void parser::lock_tables() {
    expect("lock");
    if (accept("instance")) {
        expect("for");
        expect("backup");
        made_->verb = verb::flush;
        add_pin("backup lock");
        return;
    }
    if (!accept_one({"table", "tables"})) return fail("TABLES");
    made_->verb = verb::lock_table;
    made_->locks_rows = true;
    made_->implicit_commit = true;
    add_pin("LOCK TABLES");
    do {
        auto table = table_name(true);
        if (accept("as") || is_name()) table.alias = name();
        block_->tables.push_back(std::move(table));
        if (accept("read")) {
            accept("local");
        } else if (accept("write")) {
            accept("concurrent");
        } else {
            accept("low_priority");
            expect("write");
        }
        block_->tables.back().written = true;
    } while (accept_symbol(","));
    if (accept("nowait")) return;
    if (accept("wait")) primary();
}

void parser::backup() {
    expect("backup");
    made_->verb = verb::flush;
    made_->name = "backup";
    if (accept("stage")) {
        if (accept("end"))
            add_effect(effect::kind::unlock_backup);
        else {
            name();
            add_pin("backup stage");
        }
    } else if (accept("lock")) {
        table_name();
        add_pin("backup lock");
    } else {
        expect("unlock");
        add_effect(effect::kind::unlock_backup);
    }
}

}  // namespace ringway::router::mysql
