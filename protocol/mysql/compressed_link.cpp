#include "protocol/mysql/compressed_link.hpp"

namespace ringway::protocol::mysql {
namespace {
constexpr std::size_t most_at_once = 64 * 1024;
}

std::optional<compression> compressed_link::method_of(capability::flags agreed) noexcept {
    if (capability::has(agreed, capability::compress)) return compression::zlib;  // first, as in servers
    if (capability::has(agreed, capability::zstd_compression)) return compression::zstd;
    return std::nullopt;
}

bool compressed_link::next(std::string_view& plain) {
    opened_.clear();
    if (!in_) in_.emplace(method_);
    std::string_view wire = held_;
    const auto said = in_->take(wire, opened_, most_at_once);
    held_.erase(0, held_.size() - wire.size());
    plain = opened_;
    more_ = said == decompressor::next::room;
    next_ = in_->next_sequence();
    return said != decompressor::next::broken;
}

std::string_view compressed_link::seal(std::string_view plain) {
    sealed_.clear();
    if (!out_) out_.emplace(method_, level_);
    out_->set_sequence(sequence_);
    out_->write(plain, sealed_);
    sequence_ = out_->sequence();
    return sealed_;
}

void compressed_link::rest() {
    if (waiting()) return;
    if (in_ && in_->between_packets()) in_.reset();
    out_.reset();
    std::string().swap(held_);
    std::string().swap(opened_);
    std::string().swap(sealed_);
}

}  // namespace ringway::protocol::mysql
