#pragma once
// The sections of the file, one function each. All report into the reader's report and go on.

#include <string>

#include "config/settings.hpp"
#include "config/toml/table_reader.hpp"

namespace ringway::config::source {

/// What [general] says for every cluster that does not say it itself: in `cluster`, only the members that
/// read_cluster_defaults reads count.
struct defaults {
    config::cluster cluster;
};

void read_listen(const node* from, listen& to, report& mistakes);
void read_general(const node* from, general& to, defaults& for_clusters, report& mistakes);
void read_client_tls(const node* from, tls& to, report& mistakes);
void read_server_tls(const node* from, std::string path, tls& to, report& mistakes);
void read_hba(const node* from, std::vector<hba_rule>& to, report& mistakes);
/// Path of the rule of that number, from 1.
std::string rule_path(std::size_t number);
void read_users(const node* from, std::vector<user>& to, report& mistakes);
void read_clusters(const node* from, const defaults& from_general, std::vector<cluster>& to, report& mistakes);

/// The pool, read and watch keys that both [general] and [clusters.NAME] have.
void read_cluster_defaults(table_reader& from, cluster& to);
/// Those that [users.NAME] has.
void read_overrides(table_reader& from, overrides& to);

void read_shards(const node* from, const std::string& path, std::vector<shard>& to, report& mistakes);
void read_tables(const node* from, const std::string& path, const std::vector<shard>& shards, std::vector<table>& to,
                 report& mistakes);
/// `map` of one table; `of` has its function already.
void read_table_map(const node* from, const std::string& path, const std::vector<shard>& shards, table& of,
                    report& mistakes);

/// What no section can say alone: references between them, and settings that cannot work together.
void check_whole(const settings& all, report& mistakes);

}  // namespace ringway::config::source
