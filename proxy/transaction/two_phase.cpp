#include "proxy/transaction/two_phase.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

namespace ringway::proxy {

two_phase::two_phase(const std::vector<part_of>& members, const std::vector<std::size_t>& locked,
                     std::optional<std::size_t> never_prepared) {
    for (const auto each : members) parts_.push_back({each});
    const auto rank = [&](std::size_t member) { return member < locked.size() ? locked[member] : 0; };
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        if (parts_[i].is != part_of::writer) continue;
        // Whose locks go at once: those of who has none to be waited for, or has taken them last.
        const bool better = rank(decider_) != 0 && (rank(i) == 0 || rank(i) > rank(decider_));
        if (++writers_ == 1 || better) decider_ = i;
    }
    if (never_prepared && parts_[*never_prepared].is == part_of::writer) decider_ = *never_prepared;
    part* first = nullptr;
    std::size_t lowest = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        if (parts_[i].is != part_of::writer || i == decider_ || rank(i) == 0) continue;
        parts_[i].goes = turn::behind;
        if (!first || rank(i) < lowest) first = &parts_[i], lowest = rank(i);
    }
    if (first) first->goes = turn::last;
}

void two_phase::give(commands& out, std::size_t member, commit_step step) {
    parts_[member].doing = step;
    out.push_back({member, step});
}

bool two_phase::waiting() const noexcept {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const part& each) { return !each.gone && each.doing != commit_step::none; });
}

bool two_phase::finished() const noexcept {
    return result_ != outcome::pending && !waiting();
}

/// Who has only read ends first: a serializable reader may still fail, and a sequence that it has drawn from must not
/// give its values again.
two_phase::commands two_phase::begin() {
    commands out;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const auto is = parts_[i].is;
        if (is == part_of::reader || (is == part_of::holder && writers_ == 0))
            give(out, i, commit_step::commit);
        else if (is == part_of::writer && writers_ > 1)
            give(out, i, i == decider_ ? commit_step::decide : commit_step::prepare);
    }
    return out.empty() ? advance() : out;
}

/// Nothing is under way.
two_phase::commands two_phase::advance() {
    commands out;
    if (waiting()) return out;
    if (decided_ && !aborting_)
        if (auto next = let_locks_go(); !next.empty()) return next;
    if (aborting_ || decided_) {
        if (result_ == outcome::pending) result_ = aborting_ ? outcome::rolled_back : outcome::committed;
        return out;
    }
    if (writers_ == 0) {
        decided_ = true;
        result_ = outcome::committed;
        return out;
    }
    deciding_ = true;
    give(out, decider_, commit_step::commit);
    return out;
}

/// What is prepared is committed, those with locks behind the others; then who only holds locks.
two_phase::commands two_phase::let_locks_go() {
    commands out;
    if (result_ != outcome::committed) return out;
    for (const auto now : {turn::at_once, turn::behind, turn::last}) {
        for (std::size_t i = 0; i < parts_.size(); ++i)
            if (parts_[i].prepared && !parts_[i].gone && parts_[i].goes == now)
                give(out, i, commit_step::commit_prepared);
        if (!out.empty()) return out;
    }
    for (std::size_t i = 0; i < parts_.size(); ++i)
        if (parts_[i].is == part_of::holder && parts_[i].open && !parts_[i].gone) give(out, i, commit_step::commit);
    return out;
}

two_phase::commands two_phase::abort() {
    commands out;
    if (!aborting_) {
        aborting_ = true;
        decided_ = true;
    }
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        auto& each = parts_[i];
        if (each.gone || each.doing != commit_step::none) continue;
        if (each.prepared)
            give(out, i, commit_step::rollback_prepared);
        else if (each.open)
            give(out, i, commit_step::rollback);
    }
    return out.empty() ? advance() : out;
}

two_phase::commands two_phase::answered(std::size_t member, bool ok) {
    auto& one = parts_[member];
    const auto step = std::exchange(one.doing, commit_step::none);
    switch (step) {
        case commit_step::prepare:
            one.open = false;
            one.prepared = ok;
            break;
        case commit_step::decide:
            break;  // failed: still open, to be rolled back
        case commit_step::commit:
        case commit_step::rollback:
            one.open = false;
            break;
        case commit_step::commit_prepared:
        case commit_step::rollback_prepared:
            if (ok)
                one.prepared = false;
            else
                left_ = true, one.gone = true;
            break;
        case commit_step::none:
            break;
    }
    if (aborting_) return abort();
    if (!ok && !decided_ &&
        (step == commit_step::prepare || step == commit_step::decide || step == commit_step::commit))
        return abort();
    if (deciding_ && member == decider_ && step == commit_step::commit && !decided_) {
        decided_ = true;
        result_ = outcome::committed;
        for (const auto& each : parts_) left_ |= each.prepared && each.gone;
    }
    return advance();
}

two_phase::commands two_phase::lost(std::size_t member) {
    auto& one = parts_[member];
    if (one.gone) return {};
    const auto step = std::exchange(one.doing, commit_step::none);
    one.gone = true;
    if (one.prepared || step == commit_step::prepare) left_ = true;
    if (decided_) return aborting_ ? abort() : advance();
    if (deciding_ && member == decider_ && step == commit_step::commit) {
        decided_ = true;  // by the server, in a way that is not known here
        result_ = outcome::unknown;
        for (const auto& each : parts_) left_ |= each.prepared;
        return {};
    }
    if (one.prepared) return advance();  // its part is safe with the server
    if (!one.open) return advance();
    return abort();
}

namespace {

/// Colons part the name; shards may be called anything.
std::string plain(std::string_view name) {
    std::string out;
    for (const char c : name) out += c == ':' || c == '%' ? fmt::format("%{:02x}", c) : std::string(1, c);
    return out;
}

}  // namespace

std::string prepared_name(std::string_view id, std::string_view decider_shard, std::string_view shard) {
    return fmt::format("ringway:{}:{}:{}", id, plain(decider_shard), plain(shard));
}

bool read_prepared_name(std::string_view name, prepared_parts& out) {
    constexpr std::string_view ours = "ringway:";
    if (!name.starts_with(ours)) return false;
    name.remove_prefix(ours.size());
    const auto first = name.find(':');
    const auto second = first == std::string_view::npos ? first : name.find(':', first + 1);
    if (second == std::string_view::npos || first == 0) return false;
    out.id = name.substr(0, first);
    out.decider_shard.clear();
    for (std::size_t i = first + 1; i < second; ++i) {
        const bool coded = name[i] == '%' && i + 2 < second;
        out.decider_shard += coded ? (name.substr(i, 3) == "%3a" ? ':' : '%') : name[i];
        if (coded) i += 2;
    }
    return true;
}

std::string new_transaction_id() {
    std::array<unsigned char, 16> bytes{};
    RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
    std::string out;
    for (const auto each : bytes) out += fmt::format("{:02x}", each);
    return out;
}

}  // namespace ringway::proxy
