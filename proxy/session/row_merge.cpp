#include "proxy/session/row_merge.hpp"

#include <algorithm>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/sort_key.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

void row_merge::begin(std::size_t sources, std::size_t shown, std::vector<merge_key> keys) {
    sources_.assign(sources, {});
    shown_ = shown;
    keys_ = std::move(keys);
}

void row_merge::add(std::size_t from, std::string_view frame) {
    auto& to = sources_[from];
    if (to.at > most_held && to.at > to.bytes()) {
        to.held.erase(0, to.at);
        to.at = 0;
    }
    to.held.append(frame);
}

bool row_merge::over() const noexcept {
    return std::all_of(sources_.begin(), sources_.end(), [](const source& s) { return s.ended && s.bytes() == 0; });
}

/// The key of all its columns as one string: each a byte for NULL or not, then the value so that memcmp tells, with an
/// end that parts values of other lengths.
void row_merge::read_key(source& of) {
    of.before.swap(of.key);
    of.key.clear();
    of.keyed = true;
    const char* at = of.held.data() + of.at + pg::header_size;
    const char* const end = of.held.data() + of.at + 1 + pg::load32(of.held.data() + of.at + 1);
    if (at + 2 > end || pg::load16(at) != shown_ + keys_.size()) {
        broken_ = true;
        return;
    }
    at += 2;
    const auto skip = [&](std::string_view& value) {
        if (at + 4 > end) return false;
        const auto length = static_cast<std::int32_t>(pg::load32(at));
        at += 4;
        value = {};
        if (length < 0) return true;
        if (end - at < length) return false;
        value = {at, static_cast<std::size_t>(length)};
        at += length;
        return true;
    };
    std::string_view value;
    for (std::size_t i = 0; i < shown_; ++i)
        if (!skip(value)) {
            broken_ = true;
            return;
        }
    for (const auto& each : keys_) {
        if (!skip(value)) {
            broken_ = true;
            return;
        }
        if (value.data() == nullptr) {
            of.key += each.nulls_first ? '\0' : '\2';
            continue;
        }
        of.key += '\1';
        const auto from = of.key.size();
        broken_ |= !pg::append_sort_key(of.key, each.type_oid, value);
        // A prefix comes first: zero bytes within are marked, and the end is below everything.
        for (auto zero = of.key.find('\0', from); zero != std::string::npos; zero = of.key.find('\0', zero + 2))
            of.key.insert(zero + 1, 1, '\1');
        of.key.append(2, '\0');
        if (each.descending)
            for (auto turn = from; turn < of.key.size(); ++turn)
                of.key[turn] = static_cast<char>(~static_cast<unsigned char>(of.key[turn]));
    }
    unsorted_ |= !bears_disorder_ && of.key < of.before;
}

row_merge::source* row_merge::next() {
    source* found = nullptr;
    for (auto& each : sources_) {
        if (each.bytes() == 0) {
            if (!each.ended && !keys_.empty()) return nullptr;  // its next row may be the one
            continue;
        }
        if (keys_.empty()) return &each;
        if (!each.keyed) read_key(each);
        if (broken_ || unsorted_) return nullptr;
        if (!found || each.key < found->key) found = &each;
    }
    return found;
}

void row_merge::pass(source& of) {
    of.at += 1 + pg::load32(of.held.data() + of.at + 1);
    of.keyed = false;
    if (of.at == of.held.size()) {
        of.held.clear();
        of.at = 0;
    }
}

bool row_merge::skip() {
    auto* from = next();
    if (from) pass(*from);
    return from != nullptr;
}

bool row_merge::take(std::string& to) {
    auto* from = next();
    if (!from) return false;
    const std::string_view frame(from->held.data() + from->at, 1 + pg::load32(from->held.data() + from->at + 1));
    if (keys_.empty()) {
        to.append(frame);
    } else {
        std::size_t length = pg::header_size + 2;
        for (std::size_t i = 0; i < shown_; ++i) {
            const auto size = static_cast<std::int32_t>(pg::load32(frame.data() + length));
            length += 4 + static_cast<std::size_t>(std::max(size, 0));
        }
        pg::writer out(to, 'D');
        out.i16(static_cast<int>(shown_));
        out.bytes(frame.substr(pg::header_size + 2, length - pg::header_size - 2));
    }
    pass(*from);
    return true;
}

}  // namespace ringway::proxy
