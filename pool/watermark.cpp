#include "pool/watermark.hpp"

#include <algorithm>
#include <charconv>

namespace ringway::pool {

namespace {

template <typename number>
std::optional<number> parse_hex(std::string_view digits) {
    number value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::uint64_t> parse_lsn(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto high = parse_hex<std::uint32_t>(text.substr(0, slash));
    const auto low = parse_hex<std::uint32_t>(text.substr(slash + 1));
    if (!high || !low) return std::nullopt;
    return (std::uint64_t{*high} << 32) | *low;
}

std::optional<std::uint32_t> timeline_of_wal_file(std::string_view name) {
    constexpr std::size_t name_length = 24, timeline_length = 8;
    if (name.size() != name_length || !parse_hex<std::uint64_t>(name.substr(timeline_length))) return std::nullopt;
    return parse_hex<std::uint32_t>(name.substr(0, timeline_length));
}

std::uint64_t end_of_records(std::uint64_t lsn, const wal_layout& layout) {
    constexpr std::uint64_t page_header = 24,
                            segment_header = 40;  // XLogPageHeaderData, XLogLongPageHeaderData, aligned
    const std::uint64_t page_start = lsn - lsn % layout.page;
    const std::uint64_t header = page_start % layout.segment == 0 ? segment_header : page_header;
    return lsn - page_start <= header ? page_start : lsn;
}

position_history::position_history(std::size_t capacity) : capacity_(std::max<std::size_t>(capacity, 4)) {
    samples_.reserve(capacity_);
}

void position_history::add(const position_sample& sample) {
    while (!samples_.empty() && samples_.back().lsn > sample.lsn) samples_.pop_back();
    if (!samples_.empty() && samples_.back().lsn == sample.lsn) {
        samples_.back().taken = std::max(samples_.back().taken, sample.taken);
        return;
    }
    if (samples_.size() == capacity_) thin();
    samples_.push_back(sample);
}

// Every other sample of the older half goes, the oldest stays.
void position_history::thin() {
    const std::size_t half = samples_.size() / 2;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
        if (i < half && i % 2 == 1) continue;
        samples_[kept++] = samples_[i];
    }
    samples_.resize(kept);
}

std::optional<steady_time> position_history::newest_reached(std::uint64_t replayed, const gtid_set* executed) const {
    auto beyond = std::upper_bound(samples_.begin(), samples_.end(), replayed,
                                   [](std::uint64_t lsn, const position_sample& s) { return lsn < s.lsn; });
    // As many transactions need not be the same ones.
    while (executed && beyond != samples_.begin() && std::prev(beyond)->gtids &&
           !executed->contains(*std::prev(beyond)->gtids))
        --beyond;
    if (beyond == samples_.begin()) return std::nullopt;
    return std::prev(beyond)->taken;
}

std::optional<position_sample> position_history::newest() const {
    if (samples_.empty()) return std::nullopt;
    return samples_.back();
}

bool flush_nudge::due(std::uint64_t inserted, std::uint64_t flushed, steady_time now) {
    if (awaited_ == 0 || flushed >= awaited_) {
        awaited_ = inserted > flushed ? inserted : 0;
        since_ = now;
        return false;
    }
    if (now - since_ < patience) return false;
    awaited_ = inserted;
    since_ = now;
    return true;
}

}  // namespace ringway::pool
