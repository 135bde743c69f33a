#pragma once
// Whether a statement may run on a replica, and why not.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "router/catalog.hpp"
#include "router/plan.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// A pin for as long as the catalogs do not tell what the function does.
inline constexpr std::string_view unseen_function = "a function that is not in the catalogs yet";

struct need_finding {
    router::need need = router::need::any;
    std::string reason;    ///< for SHOW ROUTE
    bool may_set = false;  ///< may change settings in a way the text does not tell
    std::string pin;       ///< ... or something that cannot be asked for afterwards: why the session is pinned
};

/// Of one statement. `path`: the schemas in which unqualified names are looked up. `in` may be null: then little is
/// known.
need_finding need_of(const statement& what, const catalog* in, const std::vector<std::string>& path);

/// Whether it is but a read if functions that are volatile, yet without effect, are no matter.
bool is_quiet(const statement& what, const catalog* in, const std::vector<std::string>& path);

/// Whether a plan asks for locks that last until its transaction ends: rows' (FOR UPDATE), a table's, advisory ones.
enum class lock_use : std::uint8_t {
    none,
    some,  ///< ... and writes, or may
    only   ///< ... and else only reads
};
/// PostgreSQL's. Locks that functions of the users' take are not known.
lock_use lock_use_of(const plan& what, const plan_context& with);

/// SET, BEGIN, FETCH, ...: whatever connection the session is on.
bool is_session_command(verb what) noexcept;

}  // namespace ringway::router
