#include "router/copy_rows.hpp"

#include <algorithm>
#include <cstring>

#include "router/lexical.hpp"

namespace ringway::router {

namespace {

/// Room for a long row is given back when it is over.
constexpr std::size_t most_kept = 1024 * 1024;

/// The place of a byte in [from, to) of a text; `to` when it is not there.
std::size_t find(std::string_view in, char what, std::size_t from, std::size_t to) {
    if (from >= to) return to;
    const auto* found = static_cast<const char*>(std::memchr(in.data() + from, what, to - from));
    return found ? static_cast<std::size_t>(found - in.data()) : to;
}

}  // namespace

copy_rows::copy_rows(copy_form form, std::vector<copy_wish> wishes)
    : form_(std::move(form)), wishes_(std::move(wishes)) {
    if (wishes_.size() > most_wishes) wishes_.resize(most_wishes);
    headed_ = form_.what != copy_form::format::binary && !form_.header;
}

void copy_rows::feed(std::string_view bytes) {
    if (carry_.empty()) {
        data_ = bytes;
        return;
    }
    carry_.append(bytes);
    data_ = carry_;
}

/// What is left of the data stays: what was fed is the caller's.
void copy_rows::keep() {
    if (carry_.empty())
        carry_.assign(data_.substr(start_));
    else
        carry_.erase(0, start_);
    at_ -= std::min(at_, start_);
    start_ = 0;
    if (carry_.empty() && carry_.capacity() > most_kept) std::string().swap(carry_);
    data_ = carry_;
}

copy_item copy_rows::next(std::string_view& raw) {
    const auto found = form_.what == copy_form::format::binary ? next_binary(raw, false) : take_line(raw, false);
    if (found == copy_item::more) keep();
    return found;
}

copy_item copy_rows::finish(std::string_view& raw) {
    if (start_ >= data_.size()) return copy_item::more;
    return form_.what == copy_form::format::binary ? next_binary(raw, true) : take_line(raw, true);
}

/// The bytes up to `stop` have been taken.
void copy_rows::cut(std::string_view& raw, std::size_t stop) {
    raw = data_.substr(start_, stop - start_);
    start_ = at_ = stop;
}

void copy_rows::start_line() noexcept {
    quoted_ = escaped_ = slow_ = special_ = false;
}

// ---- lines ----------------------------------------------------------------------------------------------------------

copy_item copy_rows::take_line(std::string_view& raw, bool last) {
    if (ended_) {  // passed over, as a server does
        start_ = at_ = data_.size();
        return copy_item::more;
    }
    const auto found = scan_line(last);
    if (found == scan::more) return copy_item::more;
    const auto line = data_.substr(start_, stop_ - start_);
    const bool special = special_;
    if (found == scan::bad) {
        cut(raw, std::min(at_ + 4, data_.size()));  // as far as a server looks
        ended_ = true;
        return copy_item::bad;
    }
    if (found == scan::end) {
        ended_ = true;
        if (line.empty()) {
            cut(raw, at_);
            return copy_item::end;
        }
        cut(raw, stop_);  // what stands before the marker is a row
    } else {
        cut(raw, at_);
    }
    start_line();
    if (!headed_) {
        headed_ = true;
        return copy_item::header;
    }
    special_ = special;
    if (csv())
        read_csv(line);
    else
        read_text(line);
    special_ = false;
    return copy_item::row;
}

copy_rows::scan copy_rows::scan_line(bool last) {
    if (!slow_ && !last && (ends_ == line_end::nl || ends_ == line_end::crnl)) {
        const bool dotted = csv() && at_ == start_ && start_ < data_.size() && data_[start_] == '\\';
        if (!dotted && (!csv() || form_.escape == form_.quote)) {
            const auto found = scan_fast();
            if (!slow_) return found;
        }
        at_ = start_;
        quoted_ = escaped_ = false;
        slow_ = true;
    }
    if (last && !slow_) {
        at_ = start_;
        quoted_ = escaped_ = false;
        slow_ = true;
    }
    return scan_slow(last);
}

/// In strides from one end of line to the next. Sets slow_ for what it does not know.
copy_rows::scan copy_rows::scan_fast() {
    const auto size = data_.size();
    const bool crnl = ends_ == line_end::crnl;
    for (;;) {
        const auto nl = find(data_, '\n', at_, size);
        const bool ended = nl != size;
        if (csv()) {
            const auto quotes = std::count(data_.begin() + static_cast<std::ptrdiff_t>(at_),
                                           data_.begin() + static_cast<std::ptrdiff_t>(nl), form_.quote);
            special_ |= quotes > 0;
            if (quotes % 2 != 0) quoted_ = !quoted_;
        } else {
            const auto backslash = find(data_, '\\', at_, nl);
            if (backslash != nl) {
                if (find(data_, '\r', at_, backslash) != backslash) {
                    slow_ = true;
                    return scan::more;
                }
                if (backslash + 1 >= size) {
                    at_ = backslash;
                    return scan::more;
                }
                if (data_[backslash + 1] == '.' || data_[backslash + 1] == '\r') {
                    slow_ = true;
                    return scan::more;
                }
                special_ = true;
                at_ = backslash + 2;
                continue;
            }
        }
        const auto cr = find(data_, '\r', at_, nl);
        const bool plain = cr == nl || (crnl && !quoted_ && cr + 1 == nl);
        if (!plain || (ended && !quoted_ && crnl && (nl == start_ || data_[nl - 1] != '\r'))) {
            slow_ = true;
            return scan::more;
        }
        if (!ended) {
            at_ = cr;  // a carriage return at the end is looked at again
            return scan::more;
        }
        at_ = nl + 1;
        if (quoted_) continue;
        stop_ = crnl ? nl - 1 : nl;
        return scan::whole;
    }
}

/// Byte by byte, as the server does it.
copy_rows::scan copy_rows::scan_slow(bool last) {
    slow_ = true;
    const bool own_escape = csv() && form_.escape != form_.quote;
    while (at_ < data_.size()) {
        const char c = data_[at_];
        if (csv()) {
            if (c == '\r' && !quoted_ && at_ + 1 >= data_.size() && !last) return scan::more;
            if (own_escape && quoted_ && c == form_.escape) escaped_ = !escaped_;
            if (c == form_.quote) {
                special_ = true;
                if (!escaped_) quoted_ = !quoted_;
            }
            if (!own_escape || c != form_.escape) escaped_ = false;
        }
        if (!csv() || !quoted_) {
            if (c == '\r') return slow_return(last);
            if (c == '\n') {
                if (ends_ == line_end::cr || ends_ == line_end::crnl) return scan::bad;
                ends_ = line_end::nl;
                stop_ = at_++;
                return scan::whole;
            }
        }
        if (c == '\\' && (!csv() || (at_ == start_ && form_.end_marker_in_csv))) {
            const auto before = at_;
            const auto found = slow_backslash(last);
            if (found == scan::end) stop_ = before;
            if (found != scan::whole) return found;
            continue;
        }
        ++at_;
    }
    if (!last) return scan::more;
    stop_ = data_.size();
    return scan::whole;
}

/// An end of line by a carriage return.
copy_rows::scan copy_rows::slow_return(bool last) {
    if (ends_ == line_end::nl) return scan::bad;
    if (ends_ == line_end::cr) {
        stop_ = at_++;
        return scan::whole;
    }
    if (at_ + 1 >= data_.size() && !last) return scan::more;
    const bool nl = at_ + 1 < data_.size() && data_[at_ + 1] == '\n';
    if (!nl && ends_ == line_end::crnl) return scan::bad;
    ends_ = nl ? line_end::crnl : line_end::cr;
    stop_ = at_;
    at_ += nl ? 2 : 1;
    return scan::whole;
}

/// An escaped byte (whole: passed over), or the marker that ends the data.
copy_rows::scan copy_rows::slow_backslash(bool last) {
    const auto peek = [this, last](std::size_t at, char& out) {
        const bool there = at < data_.size();
        out = there ? data_[at] : '\0';
        return there || last;
    };
    special_ |= !csv();
    char next = '\0';
    if (!peek(at_ + 1, next)) return scan::more;
    if (next != '.') {
        at_ += csv() || at_ + 1 >= data_.size() ? 1 : 2;
        return scan::whole;
    }
    auto at = at_ + 2;
    if (ends_ == line_end::crnl) {
        if (!peek(at, next)) return scan::more;
        ++at;
        if (next != '\r') {
            if (!csv()) return scan::bad;
            at_ = std::min(at, data_.size());
            return scan::whole;
        }
    }
    if (!peek(at, next)) return scan::more;
    ++at;
    if (next != '\r' && next != '\n') {
        if (!csv()) return scan::bad;
        at_ = std::min(at, data_.size());
        return scan::whole;
    }
    if (ends_ != line_end::unknown && (next == '\r') != (ends_ == line_end::cr)) return scan::bad;
    at_ = at;
    return scan::end;
}

// ---- fields of a line -----------------------------------------------------------------------------------------------

void copy_rows::judge(std::size_t wish, std::string_view raw, std::string_view decoded, bool quoted) {
    auto& out = fields_[wish];
    const auto& wanted = wishes_[wish];
    out = {field_state::value, decoded};
    if (!quoted && raw == form_.null) {
        if (wanted.force_not_null)
            out.text = form_.null;
        else
            out = {field_state::null, {}};
    } else if (form_.has_default && !quoted && raw == form_.default_marker) {
        out = {field_state::uncertain, {}};
    }
    if (out.state == field_state::value && wanted.force_null && out.text == form_.null) out = {field_state::null, {}};
}

void copy_rows::read_text(std::string_view line) {
    for (auto& each : fields_) each = {};
    std::size_t at = 0;
    std::uint16_t number = 0;
    for (std::size_t wish = 0; wish < wishes_.size();) {
        std::size_t end = at;
        if (!special_) {
            end = find(line, form_.delimiter, at, line.size());
        } else {
            while (end < line.size() && line[end] != form_.delimiter) end += line[end] == '\\' ? 2 : 1;
            end = std::min(end, line.size());
        }
        if (number == wishes_[wish].field) {
            const auto raw = line.substr(at, end - at);
            if (special_ && raw.find('\\') != raw.npos)
                decode_text(raw, wish);
            else
                judge(wish, raw, raw, false);
            ++wish;
        }
        if (end >= line.size()) return;
        at = end + 1;
        ++number;
    }
}

void copy_rows::decode_text(std::string_view raw, std::size_t wish) {
    auto& out = decoded_[wish];
    out.clear();
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '\\' || i + 1 == raw.size()) {
            out += raw[i];
            continue;
        }
        const char c = raw[++i];
        const auto octal = [&](std::size_t at) { return at < raw.size() && lexical::is_octal(raw[at]); };
        const auto hex = [&](std::size_t at) { return at < raw.size() && lexical::hex_value(raw[at]) >= 0; };
        if (lexical::is_octal(c)) {
            int value = c - '0';
            for (int more = 0; more < 2 && octal(i + 1); ++more) value = value * 8 + (raw[++i] - '0');
            out += static_cast<char>(value & 0xff);
        } else if (c == 'x' && hex(i + 1)) {
            int value = lexical::hex_value(raw[++i]);
            if (hex(i + 1)) value = value * 16 + lexical::hex_value(raw[++i]);
            out += static_cast<char>(value & 0xff);
        } else {
            constexpr std::string_view names = "bfnrtv", means = "\b\f\n\r\t\v";
            const auto known = names.find(c);
            out += known == names.npos ? c : means[known];
        }
    }
    judge(wish, raw, out, false);
}

void copy_rows::read_csv(std::string_view line) {
    for (auto& each : fields_) each = {};
    std::size_t at = 0;
    std::uint16_t number = 0;
    for (std::size_t wish = 0; wish < wishes_.size(); ++number) {
        const auto from = at;
        const bool wanted = number == wishes_[wish].field;
        bool quoted = false;
        if (!special_) {
            at = find(line, form_.delimiter, at, line.size());
            if (wanted) judge(wish, line.substr(from, at - from), line.substr(from, at - from), false);
        } else {
            read_csv_field(line, at, wanted ? &decoded_[wish] : nullptr, quoted);
            if (wanted && at != line.npos) judge(wish, line.substr(from, at - from), decoded_[wish], quoted);
        }
        wish += wanted ? 1 : 0;
        if (at >= line.size()) return;
        ++at;
    }
}

/// From `at` to the delimiter or the end; npos: a quote is not closed.
void copy_rows::read_csv_field(std::string_view line, std::size_t& at, std::string* decoded, bool& quoted) {
    if (decoded) decoded->clear();
    const auto put = [decoded](char c) {
        if (decoded) *decoded += c;
    };
    for (bool within = false;;) {
        if (at >= line.size()) {
            if (within) at = line.npos;
            return;
        }
        const char c = line[at];
        if (!within) {
            if (c == form_.delimiter) return;
            ++at;
            if (c == form_.quote)
                within = quoted = true;
            else
                put(c);
            continue;
        }
        ++at;
        const bool pair = at < line.size() && (line[at] == form_.escape || line[at] == form_.quote);
        if (c == form_.escape && pair)
            put(line[at++]);
        else if (c == form_.quote)
            within = false;
        else
            put(c);
    }
}

// ---- binary ---------------------------------------------------------------------------------------------------------

namespace {

std::uint32_t number_at(std::string_view in, std::size_t at, std::size_t bytes) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < bytes; ++i) out = out << 8 | static_cast<unsigned char>(in[at + i]);
    return out;
}

}  // namespace

copy_item copy_rows::binary_header(std::string_view& raw) {
    constexpr std::size_t fixed = 19;  // signature, flags, length of an extension
    constexpr std::string_view signature("PGCOPY\n\377\r\n\0", 11);
    const auto have = rest();
    const auto shown = std::min(have.size(), signature.size());
    if (have.substr(0, shown) != signature.substr(0, shown)) {
        ended_ = true;
        cut(raw, data_.size());
        return copy_item::bad;
    }
    if (have.size() < fixed) return copy_item::more;
    const auto more = number_at(have, 15, 4);
    if (more > 0x7fffffff) {
        ended_ = true;
        cut(raw, data_.size());
        return copy_item::bad;
    }
    if (have.size() < fixed + more) return copy_item::more;
    headed_ = true;
    cut(raw, start_ + fixed + more);
    return copy_item::header;
}

copy_item copy_rows::next_binary(std::string_view& raw, bool last) {
    const auto unfinished = [&] {
        if (!last) return copy_item::more;
        ended_ = true;
        cut(raw, data_.size());
        return copy_item::bad;
    };
    if (!headed_) {
        const auto found = binary_header(raw);
        return found == copy_item::more ? unfinished() : found;
    }
    const auto have = rest();
    if (ended_) {  // nothing may come after the trailer
        if (have.empty()) return copy_item::more;
        cut(raw, data_.size());
        return copy_item::bad;
    }
    if (have.size() < 2) {  // a server takes a single byte for the end of the data
        if (last) cut(raw, data_.size());
        return copy_item::more;
    }
    const auto count = number_at(have, 0, 2);
    if (count == 0xffff) {
        ended_ = true;
        cut(raw, start_ + 2);
        return copy_item::end;
    }
    for (auto& each : fields_) each = {};
    std::size_t at = 2, wish = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (have.size() < at + 4) return unfinished();
        const auto size = number_at(have, at, 4);
        at += 4;
        const bool null = size == 0xffffffff;
        if (!null && size > 0x7fffffff) {
            ended_ = true;
            cut(raw, data_.size());
            return copy_item::bad;
        }
        if (!null && have.size() < at + size) return unfinished();
        if (wish < wishes_.size() && wishes_[wish].field == i) {
            fields_[wish++] = null ? field{field_state::null, {}} : field{field_state::value, have.substr(at, size)};
        }
        if (!null) at += size;
    }
    cut(raw, start_ + at);
    return copy_item::row;
}

}  // namespace ringway::router
