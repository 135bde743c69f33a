#pragma once
// XA transactions between XA PREPARE and their end that a server keeps to the connection they were prepared on, and the
// clients that hold those connections: another client's XA COMMIT has to be let at them.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "router/mysql/modes.hpp"

namespace ringway::proxy {
class worker;
}

namespace ringway::proxy::mysql {

/// The bytes that an xid as written means; servers tell xids apart by gtrid and bqual.
std::string xid_bytes(std::string_view written, const router::mysql_modes& modes);

class session;

/// Who holds which. Of one process, thread-safe.
class xa_holders {
  public:
    struct holder {
        std::uint64_t client = 0;
        worker* home = nullptr;  ///< lives as long as the process
        std::weak_ptr<session> who;
    };
    static xa_holders& the();
    void add(const std::string& cluster, const std::string& xid, holder which);
    void remove(const std::string& cluster, const std::string& xid, std::uint64_t client);
    std::optional<holder> find(const std::string& cluster, const std::string& xid) const;

  private:
    static std::string key_of(const std::string& cluster, const std::string& xid) { return cluster + '\0' + xid; }
    mutable std::mutex guard_;
    std::unordered_map<std::string, holder> holders_;
};

}  // namespace ringway::proxy::mysql
