// SET ringway.role and ringway.read_consistency: what a client asks for its reads. No server hears of them; they follow
// transactions as settings do.

#include <fmt/format.h>

#include "proxy/session/session.hpp"

namespace ringway::proxy {

/// nullopt: back to what the session has started with.
bool session::set_own(std::string_view name, const std::optional<std::string>& value, std::string& problem) {
    using config::read_consistency;
    if (name == "ringway.read_consistency") {
        if (!value)
            own_.consistency = first_own_.consistency;
        else if (*value == "default")
            own_.consistency.reset();
        else if (*value == "session")
            own_.consistency = read_consistency::session;
        else if (*value == "eventual")
            own_.consistency = read_consistency::eventual;
        else if (*value == "bounded")
            own_.consistency = read_consistency::bounded;
        else if (*value == "primary")
            own_.consistency = read_consistency::primary;
        else
            problem = fmt::format(
                "invalid value for parameter \"ringway.read_consistency\": \"{}\" (session, eventual, bounded or "
                "primary)",
                *value);
    } else if (name == "ringway.role") {
        if (!value)
            own_.role = first_own_.role;
        else if (value->empty() || *value == "default" || *value == "any")
            own_.role = 0;
        else if (*value == "primary")
            own_.role = 1;
        else if (*value == "replica")
            own_.role = 2;
        else
            problem =
                fmt::format("invalid value for parameter \"ringway.role\": \"{}\" (primary, replica or any)", *value);
    } else {
        problem = fmt::format(
            "unrecognized configuration parameter \"{}\": there are ringway.read_consistency and ringway.role", name);
    }
    return problem.empty();
}

bool session::ringway_setting(const router::effect& what, const running_statement& run, std::string& problem) {
    using kind = router::effect::kind;
    const bool given = what.what != kind::reset && !what.values.empty();
    const auto value = given ? value_of(what.values.front(), run) : std::nullopt;
    const auto before = own_;
    if (!set_own(what.name, value, problem)) return false;
    const bool local = what.what == kind::set_local;
    if (status() == 'I' && !(talk_ && !talk_->replies.empty())) {
        if (local) own_ = before;  // as on a server: without a transaction it has no effect
        return true;
    }
    if (!own_before_) own_before_ = before;
    if (talk_) {
        auto now = own_;
        own_ = before;
        mark_settings({});
        own_ = now;
    }
    if (!local)
        own_after_.reset();
    else if (!own_after_)
        own_after_ = before;
    return true;
}

/// The transaction under way has ended.
void session::end_own(bool committed) {
    if (!committed && own_before_)
        own_ = *own_before_;
    else if (committed && own_after_)
        own_ = *own_after_;
    own_before_.reset();
    own_after_.reset();
}

}  // namespace ringway::proxy
