#pragma once
// Prepared statements as server connections know them: one name for one text with one list of parameter types, in the
// whole process.

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringway::pool {

/// What begins the names that servers know shared statements by.
inline constexpr std::string_view prepared_prefix = "_ringway_";

/// Immutable, shared by all sessions that prepared the same. `name` is what servers know it by.
struct prepared {
    std::uint64_t id = 0;
    std::string name;  ///< "_ringway_<id>", or the client's own
    std::string query;
    std::string types;        ///< parameter type OIDs as on the wire
    std::uint64_t scope = 0;  ///< as share_prepared was given it; 0: not shared
    std::size_t bytes() const { return query.size() + types.size() + 512; }
};
using prepared_ref = std::shared_ptr<const prepared>;

/// The one object for this text and these types. Thread-safe. `scope` tells apart what reads the text differently:
/// servers find names, infer parameters' types and read literals when a statement is prepared, once and for all.
prepared_ref share_prepared(std::string_view query, std::string_view types, std::uint64_t scope);
/// An object of its own, never shared: for an unnamed statement.
prepared_ref lone_prepared(std::string_view query, std::string_view types);
/// An object of its own for an SQL-level PREPARE: `query` is the text with the new name in place of the client's at
/// [offset, offset + length).
prepared_ref sql_prepared(std::string_view text, std::size_t offset, std::size_t length);

/// An object of its own that servers know by the client's own name for it.
prepared_ref own_prepared(std::string_view name, std::string_view query, std::string_view types);

/// A new object in place of one whose plan servers no longer accept: later share_prepared calls give it too.
prepared_ref renew_prepared(const prepared_ref& old);

/// What a Describe has told of a statement, as hashes: names and types of its rows, types of its parameters; 0: not
/// known.
struct result_shape {
    std::uint64_t rows = 0, parameters = 0;
};

/// Which prepared statements one server connection has, in order of last use, bounded by bytes.
class prepared_set {
  public:
    bool touch(const prepared& what);  ///< true: it is there (and now the newest)
    void add(prepared_ref what);
    void remove(const prepared& what);
    void clear();
    /// What this connection has told of it, to be filled in; null: it is not there.
    result_shape* shape_of(const prepared& what);
    /// The oldest statement while the set is above `limit` bytes and holds more than one; it is taken out.
    prepared_ref evict(std::size_t limit);
    std::size_t size() const noexcept { return order_.size(); }
    std::size_t bytes() const noexcept { return bytes_; }

  private:
    struct entry {
        prepared_ref what;
        result_shape shape;
    };
    std::list<entry> order_;  ///< newest first
    std::unordered_map<std::uint64_t, std::list<entry>::iterator> where_;
    std::size_t bytes_ = 0;
};

}  // namespace ringway::pool
