#include "proxy/http/json.hpp"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace ringway::proxy::http {

namespace {

using json = nlohmann::ordered_json;
using admin::column_type;

template <typename Number>
json number_from(const std::string& text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return text;
    return value;
}

json value_of(column_type type, const admin::cell& from) {
    if (!from) return nullptr;
    switch (type) {
        case column_type::boolean:
            return *from == "t";
        case column_type::int4:
        case column_type::int8:
            return from->starts_with('-') ? number_from<std::int64_t>(*from) : number_from<std::uint64_t>(*from);
        case column_type::float8:
            return number_from<double>(*from);
        default:
            return *from;
    }
}

/// Bytes that are no UTF-8 (an application_name may hold any) are replaced, not refused.
std::string text_of(const json& from) {
    return from.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string json_of(const admin::table& from) {
    if (from.columns.empty()) return text_of(json{{"tag", from.tag}});
    auto rows = json::array();
    for (const auto& one : from.rows) {
        auto object = json::object();
        for (std::size_t i = 0; i < from.columns.size(); ++i)
            object[std::string(from.columns[i].name)] = value_of(from.columns[i].type, one[i]);
        rows.push_back(std::move(object));
    }
    return text_of(rows);
}

std::string json_of(const config::fault& from) {
    json error{{"sqlstate", config::sqlstate(from.kind)}, {"message", from.message}};
    if (!from.detail.empty()) error["detail"] = from.detail;
    if (!from.hint.empty()) error["hint"] = from.hint;
    return text_of(json{{"error", std::move(error)}});
}

}  // namespace ringway::proxy::http
