#include "proxy/transaction/array_text.hpp"

namespace ringway::proxy {

std::string array_text::of(const std::vector<std::string>& all) {
    array_text out;
    for (const auto& each : all) out.add(each);
    return out.finish();
}

void array_text::add(const std::optional<std::string>& value) {
    text_ += text_.empty() ? '{' : ',';
    if (!value) {
        text_ += "NULL";
        return;
    }
    text_ += '"';
    for (const char c : *value) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
    }
    text_ += '"';
}

const std::string& array_text::finish() {
    text_ += text_.empty() ? "{}" : "}";
    return text_;
}

}  // namespace ringway::proxy
