#include "proxy/cli/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <set>

#include "proxy/transaction/array_text.hpp"
#include "proxy/transaction/numbering.hpp"

namespace ringway::proxy::cli {

namespace {

/// Shards whose number another shard may have must all be seen before a new one is given: each in its turn.
class numbering {
  public:
    numbering(const std::vector<numbered_shard>& shards, const std::vector<std::string>& sequences)
        : shards_(shards), sequences_(sequences) {}

    std::vector<numbering_failure> run() {
        for (const auto& each : shards_) {
            at_ = each.name;
            on_.push_back(std::make_unique<pqxx::connection>(connection_string(each.primary)));
            pqxx::nontransaction(*on_.back()).exec("SET lock_timeout = '10s'");
        }
        lease_numbers();
        if (!sequences_.empty()) space_sequences();
        return std::move(failures_);
    }

    const std::string& at() const noexcept { return at_; }

  private:
    void lease_numbers() {
        std::vector<std::size_t> without;
        for (std::size_t i = 0; i < on_.size(); ++i) {
            at_ = shards_[i].name;
            const auto known = pqxx::nontransaction(*on_[i]).exec_params(
                "SELECT number, token FROM ringway.node WHERE shard = $1", at_);
            const bool kept = !known.empty() && !pqxx::nontransaction(*on_.front())
                                                     .exec_params1("SELECT number FROM ringway.lease_node($1, $2, $3)",
                                                                   known[0][0].as<int>(), known[0][1].c_str(), at_)[0]
                                                     .is_null();
            if (!kept) without.push_back(i);
        }
        for (const auto i : without) {
            at_ = shards_[i].name;
            const auto made = pqxx::nontransaction(*on_.front())
                                  .exec_params1("SELECT number, token FROM ringway.lease_node(NULL, NULL, $1)", at_);
            pqxx::nontransaction(*on_[i]).exec_params("SELECT ringway.take_node($1, $2, $3)", made[0].as<int>(),
                                                      made[1].c_str(), at_);
        }
    }

    /// "schema.name" of those that any shard has.
    std::set<std::string> found_sequences() {
        std::set<std::string> out;
        for (std::size_t i = 0; i < on_.size(); ++i) {
            at_ = shards_[i].name;
            pqxx::nontransaction own(*on_[i]);
            for (const auto& row : own.exec_params(
                     fmt::format("SELECT format('%I.%I', n.nspname, c.relname), c.relname, concat(n.nspname, '.', "
                                 "c.relname) FROM pg_class c, pg_namespace n WHERE {}",
                                 is_named_sequence),
                     array_text::of(sequences_))) {
                out.insert(row[0].as<std::string>());
                met_.insert(row[1].as<std::string>());
                met_.insert(row[2].as<std::string>());
            }
        }
        return out;
    }

    void space_sequences() {
        const auto found = found_sequences();
        for (const auto& name : sequences_)
            if (!met_.contains(name))
                failures_.push_back({"sequence " + name, "there is none; make it, then run init again"});
        for (const auto& name : found) {
            at_ = "sequence " + name;
            try {
                space(name);
            } catch (const pqxx::sql_error& why) {
                failures_.push_back({at_, why.what()});
            }
        }
    }

    /// What any shard has given is below what each gives from then on. The first shard's is changed last: by it Ringway
    /// knows that all are.
    void space(const std::string& name) {
        std::vector<std::unique_ptr<pqxx::work>> work;
        bool in_order = true;
        for (std::size_t i = 0; i < on_.size(); ++i) {
            work.push_back(std::make_unique<pqxx::work>(*on_[i]));
            const auto one = work.back()->exec_params(
                fmt::format("SELECT seqincrement, seqcycle, {} FROM pg_sequence WHERE seqrelid = to_regclass($1)",
                            is_spaced_sequence),
                name);
            if (one.empty()) {
                failures_.push_back({at_, fmt::format("shard {} does not have it", shards_[i].name)});
                return;
            }
            const auto step = one[0][0].as<std::int64_t>();
            if ((step != 1 && step != most_nodes) || one[0][1].as<bool>()) {
                failures_.push_back(
                    {at_, fmt::format("on shard {} it counts by {}{}; only sequences that count by 1 and do not start "
                                      "over can count on all shards",
                                      shards_[i].name, step, one[0][1].as<bool>() ? " and cycles" : "")});
                return;
            }
            in_order &= one[0][2].as<bool>(false);
        }
        if (in_order) return;
        std::int64_t above = 0;
        for (auto& each : work) {  // which locks it: nobody draws any more
            each->exec(fmt::format("ALTER SEQUENCE {} INCREMENT BY {}", name, most_nodes));
            above = std::max(above, each->exec1(fmt::format("SELECT last_value FROM {}", name))[0].as<std::int64_t>());
        }
        for (auto& each : work) each->exec_params("SELECT ringway.space_sequence($1::text::regclass, $2)", name, above);
        for (std::size_t i = work.size(); i-- > 0;) work[i]->commit();
    }

    const std::vector<numbered_shard>& shards_;
    const std::vector<std::string>& sequences_;
    std::vector<std::unique_ptr<pqxx::connection>> on_;
    std::vector<numbering_failure> failures_;
    std::set<std::string> met_;
    std::string at_;
};

}  // namespace

std::vector<numbering_failure> number_shards(const std::vector<numbered_shard>& shards,
                                             const std::vector<std::string>& sequences) {
    numbering all(shards, sequences);
    try {
        return all.run();
    } catch (const std::exception& why) {
        return {{all.at(), why.what()}};
    }
}

}  // namespace ringway::proxy::cli
