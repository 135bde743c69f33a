#include "proxy/session/one_by_one.hpp"

#include <fmt/format.h>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/span.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

namespace {

constexpr int most_failed_leases = 5;

}  // namespace

one_by_one::one_by_one(gather_client& owner, one_by_one_task task)
    : owner_(&owner), task_(std::move(task)), begun_(std::chrono::steady_clock::now()) {}

one_by_one::~one_by_one() {
    if (on_) on_->leave();
}

void one_by_one::lease() {
    const auto keep = shared_from_this();
    if (!on_) on_ = std::make_shared<arm>(*this, owner_->gather_home(), task_.members[done_]);
    auto found = owner_->gather_node(on_->shard, true);
    if (found.why) return arm_refused(*on_, *found.why);
    if (found.hold) {
        holding_ = true;
        return;
    }
    if (on_->lease(std::move(found.from), found.index)) run();
}

void one_by_one::arm_leased(arm&) {
    run();
}

void one_by_one::arm_refused(arm&, const fault& why) {
    const bool again = !pool::is_refusal(why) && why.kind == fault_kind::cannot_connect;
    if (again && ++failed_leases_ < most_failed_leases) {
        holding_ = true;  // the next tick looks again
        return;
    }
    std::string error;
    pg::write_error(error, "ERROR", config::sqlstate(why.kind), why.message, why.detail, why.hint);
    finish(error);
}

void one_by_one::tick(steady_time) {
    if (std::exchange(holding_, false)) lease();
}

bool one_by_one::give_up(const fault& why) {
    if (running_) return false;
    std::string error;
    pg::write_error(error, "ERROR", config::sqlstate(why.kind), why.message, why.detail, why.hint);
    finish(error);
    return true;
}

void one_by_one::run() {
    running_ = true;
    std::string out;
    const int ready = write_settings_change(out, on_->server->settings, task_.settings);
    pg::write_query(out, task_.text);
    on_->send(out, ready + 1);
}

void one_by_one::arm_frame(arm& which, char type, std::string_view frame) {
    if (type == 'S' || type == 'A') return;
    if (type == 'N') {
        notices_.append(frame);
        return;
    }
    if (type == 'E') {
        const auto error = pg::read_error(frame.substr(pg::header_size));
        if (error && (error->get('V') == "FATAL" || error->get('V') == "PANIC"))
            return arm_lost(which, std::string(error->get('M')));
        which.server->doomed |= which.owed > 1;  // with half of the session's settings, maybe
        if (error_.empty()) error_.assign(frame);
        return;
    }
    if (type == 'C' && which.owed == 1) tag_.assign(frame);
    if (type != 'Z') return;
    const auto body = frame.substr(pg::header_size);
    which.status = body.empty() ? 'I' : body[0];
    if (which.owed == 0) return arm_lost(which, "the server sent what nobody asked for");
    if (--which.owed == 1) which.server->settings = task_.settings;
    if (which.owed > 0) return;
    running_ = false;
    if (!error_.empty()) return finish(std::exchange(error_, {}));
    which.server->settings = task_.settings;
    which.leave();
    on_.reset();
    if (++done_ == task_.shards.size()) return finish({});
    lease();
}

void one_by_one::arm_lost(arm&, const std::string& why) {
    std::string error;
    pg::write_error(error, "ERROR", config::sqlstate(fault_kind::server_lost),
                    fmt::format("the server was lost while it ran this: {}", why));
    finish(error);
}

void one_by_one::primary_moved(std::uint16_t shard, int primary) {
    if (on_ && on_->server && on_->shard == shard && on_->node != primary) arm_lost(*on_, "the primary has moved");
}

void one_by_one::cancel(const std::shared_ptr<const void>& until) {
    if (give_up({fault_kind::canceled, "canceling statement due to user request", {}, {}})) return;
    if (on_ && on_->server && on_->owed > 0) stop_query(*on_->server, until);
}

void one_by_one::give_way() {
    if (!running_ || !error_.empty()) return;
    error_ = deadlock_error();
    cancel({});
}

void one_by_one::abort() {
    owner_ = nullptr;
    if (on_) on_->leave();
}

/// Where it has been done, and how the rest is.
std::string one_by_one::report() const {
    const auto names = [this](std::size_t from, std::size_t to) {
        std::string out;
        for (auto i = from; i < to; ++i) out += (out.empty() ? "" : ", ") + task_.shards[i];
        return out;
    };
    std::string out =
        fmt::format("Done on: {}. Failed on: {}.", done_ ? names(0, done_) : "no shard", task_.shards[done_]);
    if (done_ + 1 < task_.shards.size())
        out += fmt::format(" Not tried on: {}.", names(done_ + 1, task_.shards.size()));
    return out;
}

void one_by_one::finish(const std::string& error) {
    const auto keep = shared_from_this();
    auto* owner = std::exchange(owner_, nullptr);
    if (on_) on_->leave();
    if (!owner) return;
    std::string out;
    if (task_.parse) pg::write_empty(out, '1');
    if (task_.describe_statement) {
        pg::write_parameter_description(out, {});
        pg::write_empty(out, 'n');
    }
    if (task_.extended) pg::write_empty(out, '2');
    if (task_.describe_portal) pg::write_empty(out, 'n');
    out += notices_;
    failed_ = !error.empty();
    if (failed_) {
        const auto told = pg::read_error(std::string_view(error).substr(pg::header_size));
        const auto word = [&](char of) { return told ? std::string(told->get(of)) : std::string(); };
        auto detail = word('D');
        pg::write_error(out, "ERROR", word('C'), word('M'), detail.empty() ? report() : detail + " " + report(),
                        fmt::format("what is left can be run on each shard by a comment: /* ringway: shard={} */; an "
                                    "index that failed there is left invalid, and is dropped first",
                                    task_.shards[done_]));
    } else {
        out += tag_;
        for (int i = 0; i < task_.closes; ++i) pg::write_empty(out, '3');
    }
    if (done_ > 0 && task_.changed) task_.changed();
    owner->gather_ended(std::move(out), std::nullopt, true);
}

}  // namespace ringway::proxy
