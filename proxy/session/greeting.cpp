// The end of login: the client's own settings are tried on a server, and the client is told the server's parameters.

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

constexpr std::size_t most_greetings = 1000;  ///< kept for one account

int primary_of(const cluster_slot& cluster) {
    return cluster.health && !cluster.health->shards.empty() ? cluster.health->shards.front().primary : -1;
}

/// A database of "*" may be gone by now, or have another name; while a connection to it on the primary is open it is
/// not. A replica's does not tell: a rename passes by it.
bool may_be_gone(const cluster_slot& cluster, const account& who) {
    const auto primary = static_cast<std::size_t>(primary_of(cluster));
    if (cluster.now->configured_as != "*" || primary_of(cluster) < 0) return false;
    if (who.pools.empty() || who.pools.front().size() <= primary) return true;
    const auto& there = who.pools.front()[primary];
    return !there || !there->is_connected();
}

}  // namespace

void session::greet() {
    if (!bad_start_.empty()) return end_with({config::fault_kind::invalid_parameter, bad_start_, {}, {}});
    const auto known = who_.who->greetings.find(settings_);
    const bool ask = may_be_gone(*who_.cluster, *who_.who);
    if (known != who_.who->greetings.end() && !session_mode_ && !ask) {
        greet_with(known->second);
        return;
    }
    greeting_ = true;
    const bool anywhere = !ask && who_.who->reads.splitting && !session_mode_ && !no_replica() &&
                          consistency() != config::read_consistency::primary;
    seek({0, anywhere ? router::need::any : router::need::primary});
}

void session::become_active() {
    phase_ = phase::active;
    if (told_behind_ && told_) tell_parameters();
    if (talk_->in_block && talk_->history.size() == 1 && !talk_->told_before) talk_->told_before = told_;
    if (!greeting_) return;
    auto list = std::make_shared<pool::parameter_list>();
    for (const auto& [name, value] : talk_->server->parameters) {
        const bool of_the_node =
            name == "in_hot_standby" || (name == "default_transaction_read_only" && !base_->find(name));
        list->emplace_back(name, of_the_node ? "off" : value);
    }
    auto& greetings = who_.who->greetings;
    if (greetings.size() >= most_greetings) greetings.clear();
    greetings.insert_or_assign(settings_, list);
    greeting_ = false;
    if (!session_mode_) release();
    greet_with(std::move(list));
}

void session::tell_parameters() {
    told_behind_ = false;
    std::string out;
    auto list = std::make_shared<pool::parameter_list>(*told_);
    for (auto& [name, value] : *list) {
        if (name == "in_hot_standby" || (name == "default_transaction_read_only" && !settings_->find(name))) continue;
        for (const auto& [known, now] : talk_->server->parameters)
            if (known == name && now != value) pg::write_parameter_status(out, name, value = now);
    }
    if (out.empty()) return;
    told_ = std::move(list);
    if (encoding_of(encoding_name()) != encoding_) follow_encoding(encoding_name());
    client_.write(out);
}

void session::greet_with(std::shared_ptr<const pool::parameter_list> parameters) {
    std::string out = std::move(who_.greeting);
    for (const auto& [name, value] : *parameters) pg::write_parameter_status(out, name, value);
    told_ = std::move(parameters);
    if (!base_->entries().empty()) first_told_ = told_;
    encoding_ = encoding_of(encoding_name());
    const auto id = static_cast<std::uint32_t>(who_.id);
    if (session_mode_ && talk_) {
        told_pid_ = talk_->server->pid;
        home_.owner.pid_told(told_pid_, id);
    }
    pg::write_backend_key(out, told_pid_ != 0 ? told_pid_ : id, who_.cancel_key);
    pg::write_ready(out, 'I');
    client_.write(out);
    answered_ = clock::now();
    std::string().swap(who_.greeting);
    if (!pending_.empty()) pump({});
    leave_if_resting();
    if (phase_ != phase::closed) want_client();
}

}  // namespace ringway::proxy
