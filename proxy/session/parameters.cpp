// What servers tell by themselves, as this client is to hear it: ParameterStatus and notifications.

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

/// Its own notifications come to a client from the pid that it knows as its own.
void session::on_notification(std::string_view body, std::string& out, bool& forward) {
    constexpr std::size_t pid = 4;
    const auto known = told_pid_ != 0 ? told_pid_ : static_cast<std::uint32_t>(who_.id);
    if (body.size() < pid || pg::load32(body.data()) != talk_->server->pid || known == talk_->server->pid) return;
    forward = false;
    pg::writer message(out, 'A');
    message.i32(known).bytes(body.substr(pid));
}

/// A RESET gives back the server's own value, and the client what it has started with: then that is told.
std::string_view session::told_after_reset(std::string_view name, std::string_view value) const {
    std::string key(name);
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const auto* first = base_->find(key);
    const auto* now = settings_->find(key);
    if (!first || !first_told_) return value;
    bool resets = told_behind_ && now && *now == *first;
    if (!talk_->replies.empty() && talk_->replies.front().running) {  // servers before 14 tell at once
        const auto& run = *talk_->replies.front().running;
        const auto& all = run.plan->parsed.statements;
        if (run.next < all.size())
            for (const auto& what : all[run.next].effects)
                resets |= what.what == router::effect::kind::reset_all ||
                          what.what == router::effect::kind::discard_all ||
                          (what.what == router::effect::kind::reset && what.name == key);
    }
    if (!resets) return value;
    for (const auto& [known, at_start] : *first_told_)
        if (known == name) return at_start;
    return value;
}

void session::on_parameter(std::string_view body, std::string& out, bool& forward) {
    pg::reader in(body);
    const auto name = in.text(), value = in.text();
    talk_->server->note_parameter(name, value);
    forward = false;
    if (!told_) return;                      // the greeting will tell it
    if (phase_ == phase::preparing) return;  // our doing: for the client nothing changes
    const auto told = base_->entries().empty() ? value : told_after_reset(name, value);
    forward = is_news(name, told);
    if (!forward || told == value) return;
    pg::write_parameter_status(out, name, told);
    forward = false;
}

bool session::is_news(std::string_view name, std::string_view value) {
    if (name == "in_hot_standby") return false;  // which node answers is not the client's concern
    for (std::size_t i = 0; told_ && i < told_->size(); ++i) {
        const auto& entry = (*told_)[i];
        if (entry.first != name) continue;
        if (entry.second == value) return false;
        auto copy = std::make_shared<pool::parameter_list>(*told_);
        (*copy)[i].second = value;
        told_ = std::move(copy);
        if (name == "client_encoding") follow_encoding(value);
        return true;
    }
    return true;
}

}  // namespace ringway::proxy
