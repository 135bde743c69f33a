#include "router/postgres/tree.hpp"

#include <charconv>

namespace ringway::router::postgres {

namespace {

/// Reads JSON that libpg_query wrote: well formed, without white space that matters.
class reader {
  public:
    reader(std::string_view json, std::vector<raw_node>& out) : json_(json), out_(out) {}

    void run() {
        while (at_ < json_.size()) {
            switch (json_[at_]) {
                case '{':
                    open(node_kind::object);
                    break;
                case '[':
                    open(node_kind::array);
                    break;
                case '}':
                case ']':
                    close();
                    break;
                case '"':
                    string();
                    break;
                case ',':
                case ':':
                case ' ':
                case '\n':
                    ++at_;
                    break;
                default:
                    scalar();
                    break;
            }
        }
    }

  private:
    void open(node_kind kind) {
        const auto made = add(kind, {});
        open_.push_back({made, 0});
        ++at_;
    }

    void close() {
        if (!open_.empty()) {
            out_[open_.back().self].end = static_cast<std::uint32_t>(out_.size());
            open_.pop_back();
        }
        key_ = {};
        ++at_;
    }

    /// A string is a key when its object still waits for one.
    void string() {
        const auto start = ++at_;
        while (at_ < json_.size() && json_[at_] != '"') at_ += json_[at_] == '\\' ? 2 : 1;
        const auto body = json_.substr(start, at_ - start);
        ++at_;
        const bool in_object = !open_.empty() && out_[open_.back().self].kind == node_kind::object;
        if (in_object && key_.data() == nullptr)
            key_ = body;
        else
            add(node_kind::string, body);
    }

    void scalar() {
        const auto start = at_;
        while (at_ < json_.size() && std::string_view(",}] \n").find(json_[at_]) == std::string_view::npos) ++at_;
        const auto body = json_.substr(start, at_ - start);
        const auto kind = body == "null"                      ? node_kind::null
                          : body == "true" || body == "false" ? node_kind::boolean
                                                              : node_kind::number;
        add(kind, body);
    }

    std::uint32_t add(node_kind kind, std::string_view raw) {
        const auto made = static_cast<std::uint32_t>(out_.size());
        out_.push_back({key_, raw, 0, 0, made + 1, kind});
        key_ = {};
        if (!open_.empty()) {
            auto& parent = open_.back();
            if (parent.last == 0)
                out_[parent.self].first = made;
            else
                out_[parent.last].next = made;
            parent.last = made;
        }
        return made;
    }

    struct level {
        std::uint32_t self, last;
    };
    std::string_view json_;
    std::vector<raw_node>& out_;
    std::vector<level> open_;
    std::string_view key_;
    std::size_t at_ = 0;
};

void append_utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xC0 | (code >> 6));
        out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
        out += static_cast<char>(0xE0 | (code >> 12));
        out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
        out += static_cast<char>(0x80 | (code & 0x3F));
    }
}

}  // namespace

tree::tree(std::string_view json) {
    nodes_.reserve(json.size() / 12 + 2);
    nodes_.emplace_back();  // index 0 means nowhere
    reader(json, nodes_).run();
}

node node::operator[](std::string_view key) const noexcept {
    if (kind() != node_kind::object) return {};
    for (const auto child : *this)
        if (child.key() == key) return child;
    return {};
}

std::size_t node::size() const noexcept {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto child : *this) ++n;
    return n;
}

std::string node::text() const {
    std::string out;
    if (kind() != node_kind::string) return out;
    const auto raw = self().raw;
    out.reserve(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '\\' || i + 1 >= raw.size()) {
            out += raw[i];
            continue;
        }
        switch (raw[++i]) {
            case 'b':
                out += '\b';
                break;
            case 'f':
                out += '\f';
                break;
            case 'n':
                out += '\n';
                break;
            case 'r':
                out += '\r';
                break;
            case 't':
                out += '\t';
                break;
            case 'u': {
                unsigned code = 0;
                const auto* digits = raw.data() + i + 1;
                std::from_chars(digits, raw.data() + std::min(raw.size(), i + 5), code, 16);
                append_utf8(out, code);
                i += 4;
                break;
            }
            default:
                out += raw[i];
        }
    }
    return out;
}

std::int64_t node::number(std::int64_t when_absent) const noexcept {
    if (kind() != node_kind::number) return when_absent;
    std::int64_t value = when_absent;
    std::from_chars(self().raw.data(), self().raw.data() + self().raw.size(), value);
    return value;
}

}  // namespace ringway::router::postgres
