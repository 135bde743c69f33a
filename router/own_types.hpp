#pragma once
// Types that users have made (enums, extensions' types, domains, rows) have OIDs of each server's own. Clients are told
// the first shard's, whichever shard answers, for that is where they look types up.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace ringway::router {

class own_types {
  public:
    static constexpr std::uint32_t first_oid = 16384;

    /// By shard: OIDs by "schema.name". Null: they are the same on every shard.
    static std::shared_ptr<const own_types> made_of(const std::vector<std::map<std::string, std::uint32_t>>& by_shard);

    /// The OID that clients know; what has none there stays as it is.
    std::uint32_t known(std::uint16_t shard, std::uint32_t oid) const noexcept {
        return oid < first_oid || shard >= known_.size() ? oid : in(known_[shard], oid);
    }
    /// ... and back.
    std::uint32_t on(std::uint16_t shard, std::uint32_t oid) const noexcept {
        return oid < first_oid || shard >= own_.size() ? oid : in(own_[shard], oid);
    }
    bool differs(std::uint16_t shard) const noexcept { return shard < known_.size() && !known_[shard].empty(); }

  private:
    using table = std::unordered_map<std::uint32_t, std::uint32_t>;
    static std::uint32_t in(const table& where, std::uint32_t oid) noexcept {
        const auto found = where.find(oid);
        return found == where.end() ? oid : found->second;
    }
    std::vector<table> known_, own_;
};

}  // namespace ringway::router
