#include "proxy/cli/print_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::proxy::cli {

namespace {

std::string printable(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '\n')
            out += "\\n";
        else if (code < 0x20 || code == 0x7f)
            out += fmt::format("\\x{:02x}", code);
        else
            out.push_back(c);
    }
    return out;
}

/// Columns on a terminal: a UTF-8 sequence counts once.
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool right) {
    const std::string spaces(width - std::min(width, width_of(text)), ' ');
    return right ? spaces + text : text + spaces;
}

bool is_number(admin::column_type type) {
    using enum admin::column_type;
    return type == int4 || type == int8 || type == float8 || type == numeric;
}

void append_line(std::string& out, const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) line += (i == 0 ? " " : " | ") + cells[i];
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
}

}  // namespace

std::string aligned(const admin::table& from) {
    if (from.columns.empty()) return from.tag + "\n";
    const auto count = from.columns.size();
    std::vector<std::vector<std::string>> texts;
    std::vector<std::size_t> widths;
    for (const auto& one : from.columns) widths.push_back(width_of(std::string(one.name)));
    for (const auto& one : from.rows) {
        auto& line = texts.emplace_back();
        for (std::size_t i = 0; i < count; ++i) {
            line.push_back(one[i] ? printable(*one[i]) : std::string());
            widths[i] = std::max(widths[i], width_of(line[i]));
        }
    }
    std::string out, rule;
    std::vector<std::string> header;
    for (std::size_t i = 0; i < count; ++i) {
        header.push_back(padded(std::string(from.columns[i].name), widths[i], false));
        rule += (i == 0 ? "-" : "-+-") + std::string(widths[i], '-');
    }
    append_line(out, header);
    out += rule + "-\n";
    for (auto& line : texts) {
        for (std::size_t i = 0; i < count; ++i) line[i] = padded(line[i], widths[i], is_number(from.columns[i].type));
        append_line(out, line);
    }
    return out + fmt::format("({} row{})\n", from.rows.size(), from.rows.size() == 1 ? "" : "s");
}

}  // namespace ringway::proxy::cli
