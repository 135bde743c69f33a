#pragma once
// A read over several shards that each of them runs on its own rows (router/scatter.hpp): the rows are merged here, or
// kept and put together by a last query on one of the servers.
//
//   lease a server of each shard -> (describe) -> run on all -> merge, or: keep -> run the last query -> pass its
//   answer
//
// As long as the client has been told nothing it may decline: then the rows are gathered instead.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/arm.hpp"
#include "proxy/session/gathering.hpp"
#include "proxy/session/row_merge.hpp"
#include "proxy/session/shards_read.hpp"
#include "proxy/session/totals.hpp"
#include "router/scatter.hpp"

namespace ringway::proxy {

struct scatter_task {
    /// A shard's texts on the rows that it owns only; empty: all that stand there.
    struct own_texts {
        std::string shard, totals;
    };
    std::shared_ptr<const router::plan> plan;  ///< has a scatter_recipe
    std::vector<std::uint16_t> asked;          ///< the shards that run it, in order
    std::uint64_t client_id = 0;
    pool::settings_ref settings;
    std::shared_ptr<const router::own_types> types_of_shards;  ///< null: the same on all
    router::scatter_texts texts;
    std::vector<own_texts> own;             ///< by `asked`: of those on which others' rows stand too
    std::string query;                      ///< the client's own text
    std::vector<router::literal> literals;  ///< of it
    bool conforming_strings = true;         ///< how it is read
    std::string types;                      ///< of its Parse: OIDs, four bytes each
    std::string bound;                      ///< of its Bind, after the names; empty: a Query
    bool parse = false, describe_statement = false, describe_portal = false;  ///< what the client has asked for besides
    bool whole = false;           ///< it asks for a part of the rows: not scattered
    bool bind_told = false;       ///< the client has its BindComplete
    bool in_transaction = false;  ///< of the client's, which has written nothing: READ COMMITTED sees the same apart
    int closes = 0;               ///< Close messages behind the Execute
    std::uint64_t told = 0;       ///< rows_hash of what the client reads the rows by; 0: it is told now
};

class scattering final : public shards_read, public arm_owner, public std::enable_shared_from_this<scattering> {
  public:
    scattering(gather_client& owner, scatter_task task);
    ~scattering() override;

    void start() override;
    void abort() override;
    void cancel(const std::shared_ptr<const void>& until) override;
    void resume() override;
    void primary_moved(std::uint16_t, int) override {}  // replicas and old primaries answer as well
    void tick(steady_time now) override;
    steady_time begun() const noexcept override { return begun_; }
    bool failed() const noexcept override { return failed_; }
    void add_server_pids(std::vector<std::uint32_t>& to) const override {
        for (const auto& each : arms_)
            if (each->server) to.push_back(each->server->pid);
    }
    void add_servers(std::vector<const pool::server*>& to) const override {
        for (const auto& each : arms_)
            if (each->server) to.push_back(each->server.get());
    }
    bool give_up(const config::fault& why) override;
    void give_way() override;

    // arm_owner
    std::shared_ptr<void> arm_keep() override { return shared_from_this(); }
    void arm_leased(arm& which) override;
    void arm_refused(arm& which, const config::fault& why) override;
    void arm_frame(arm& which, char type, std::string_view frame) override;
    void arm_lost(arm&, const std::string& why) override { lost(why); }
    void arm_flush() override;
    bool arm_may_read(const arm& which) const override;
    void arm_drained(arm& which) override { which.read_on(); }
    std::uint64_t arm_client() const override { return task_.client_id; }
    const router::own_types* arm_types() const override { return task_.types_of_shards.get(); }

  private:
    enum class stage : std::uint8_t { leasing, describing, running, combining, done };
    enum class doing : std::uint8_t { passing, merging, keeping, adding };  ///< with the shards' rows
    /// The columns of an answer, in arrays as a parameter of the last query has them.
    struct kept_column {
        std::uint32_t type = 0;
        std::string elements;
        bool nulls = false;
    };

    void lease();
    void open();
    void describe();
    void decide(std::string_view description);
    void decide_totals(std::string_view description);
    std::vector<totals::column> columns_of_totals(std::string_view description) const;
    void run();
    void combine();
    void add_up();
    void settled(arm& which);
    void on_description(std::size_t of, std::string_view frame);
    void keep_row(std::string_view frame);
    void on_combined(char type, std::string_view frame);
    void on_error(arm& which, std::string_view frame);
    void pass_rows();
    bool preamble();
    void check_level(std::string_view row);
    void finish_rows();
    void lost(const std::string& why);
    void decline();
    void finish(std::optional<config::fault> why);
    void let_go();
    bool needs_own_description() const noexcept;
    /// All rows are read before the client gets one.
    bool collects() const noexcept { return doing_ == doing::keeping || doing_ == doing::adding; }
    const router::scatter_text& shard_text() const noexcept;
    std::size_t further_columns() const noexcept;
    std::size_t index_of(const arm& which) const noexcept;
    std::string bind(const router::scatter_text& text, const std::string& before, std::size_t extra,
                     const std::string& formats) const;
    std::string types_of(const router::scatter_text& text) const;
    std::string result_formats(std::size_t shown) const;
    void emit();
    router::values values() const;

    gather_client* owner_;
    scatter_task task_;
    std::vector<std::shared_ptr<arm>> arms_;  ///< in the order of the shards; the first one runs the last query
    std::vector<bool> ended_, described_;
    stage stage_ = stage::leasing;
    doing doing_ = doing::passing;
    std::size_t leased_ = 0, running_ = 0;
    bool holding_ = false, parsed_ = false, told_ = false, asked_own_ = false, declining_ = false;
    bool failed_ = false, level_known_ = false;
    bool reads_own_text_ = false;  ///< the first shard has not parsed the client's own text yet
    int failed_leases_ = 0;
    std::string description_;  ///< of the client's statement: RowDescription
    std::string parameters_;   ///< ... and ParameterDescription
    std::string columns_;      ///< of the shards' rows: RowDescription
    std::string error_;
    row_merge rows_;
    totals totals_;
    std::vector<kept_column> kept_;
    std::size_t kept_rows_ = 0, kept_bytes_ = 0;
    std::uint64_t passed_ = 0, to_skip_ = 0;
    std::vector<router::parameter> parameters_bound_;
    std::string answer_;
    steady_time begun_{};
};

}  // namespace ringway::proxy
