#pragma once
// The sections of the file, each read into its value.

#include "config/table_reader.hpp"

namespace ringway::config {

void read_general(table_reader& from, settings& into, pool_limits& limits, read_rules& reads);
void read_listen(table_reader& from, listen& into);
void read_tls(table_reader& from, tls& into);
void read_hba(const toml::array& from, std::vector<hba_rule>& into, mistake_list& mistakes);
void read_user(table_reader& from, user& into);
/// `limits` and `reads` are the defaults from [general].
void read_cluster(table_reader& from, cluster& into, const pool_limits& limits, const read_rules& reads);

/// What no single section can tell: names that refer to nothing, nodes used twice, addresses that collide.
void check_together(const toml::table& file, const settings& all, mistake_list& mistakes);

}  // namespace ringway::config
