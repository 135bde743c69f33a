#include "config/toml/report.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

namespace ringway::config::source {

namespace {

bool is_bare(std::string_view name) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    return !name.empty() && std::all_of(name.begin(), name.end(), is_letter);
}

}  // namespace

report::report(std::string file) : file_(std::move(file)) {}

void report::add(std::uint32_t line, std::string text) {
    mistakes_.push_back({file_, line, std::move(text)});
}

void report::add_at(const std::string& path, std::string text) {
    mark_broken(path);
    add(line_of(path), std::move(text));
}

std::uint32_t report::line_of(const std::string& path) const {
    const auto found = lines_.find(path);
    return found == lines_.end() ? 0 : found->second;
}

std::string report::resolve(const std::string& path) const {
    const std::filesystem::path wanted(path);
    if (path.empty() || wanted.is_absolute()) return path;
    return (std::filesystem::path(file_).parent_path() / wanted).lexically_normal().string();
}

std::vector<mistake> report::take() {
    // Equal keys stay in the order they came. std::stable_sort would say the same, but clang 19 rejects that of g++ 12.
    std::multimap<std::uint32_t, mistake> ordered;
    for (auto& one : mistakes_) {
        const auto place = one.line - 1;  // 0 becomes the largest
        ordered.emplace(place, std::move(one));
    }
    std::vector<mistake> out;
    for (auto& [place, one] : ordered) out.push_back(std::move(one));
    mistakes_.clear();
    return out;
}

std::string join(std::string_view path, std::string_view name) {
    std::string out(path);
    if (!out.empty()) out += '.';
    if (is_bare(name)) return out.append(name);
    return out.append("\"").append(name).append("\"");
}

}  // namespace ringway::config::source
