#include "config/load.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "config/toml/sections.hpp"

namespace ringway::config {

namespace {

settings read_settings(const source::node& document, source::report& mistakes) {
    source::table_reader file(&document, {}, mistakes, "the file");
    settings out;
    source::defaults for_clusters;
    source::read_listen(file.take("listen"), out.listen, mistakes);
    source::read_general(file.take("general"), out.general, for_clusters, mistakes);
    source::read_client_tls(file.take("client_tls"), out.client_tls, mistakes);
    source::read_hba(file.take("hba"), out.hba, mistakes);
    source::read_users(file.take("users"), out.users, mistakes);
    source::read_clusters(file.take("clusters"), for_clusters, out.clusters, mistakes);
    file.finish();
    source::check_whole(out, mistakes);
    return out;
}

load_result unreadable(const std::string& path, int error) {
    load_result out;
    out.mistakes.push_back({path, 0, fmt::format("the file cannot be read: {}", std::strerror(error))});
    return out;
}

}  // namespace

std::string mistake::message() const {
    return line == 0 ? fmt::format("{}: {}", file, text) : fmt::format("{}:{}: {}", file, line, text);
}

load_result load_text(std::string_view toml, const std::string& file_name) {
    load_result out;
    source::node document;
    if (auto error = source::read_document(toml, document)) {
        out.mistakes.push_back({file_name, error->line, "not TOML: " + error->text});
        return out;
    }
    source::report mistakes(file_name);
    out.value = read_settings(document, mistakes);
    out.mistakes = mistakes.take();
    return out;
}

load_result load_file(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return unreadable(path, errno);
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad() || (text.fail() && errno != 0)) return unreadable(path, errno);
    return load_text(text.str(), path);
}

}  // namespace ringway::config
