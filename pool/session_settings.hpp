#pragma once
// The run-time settings of a session as an immutable, interned value: equal settings are one object, so that comparing
// a client's with a server connection's is one pointer comparison.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace ringway::pool {

class session_settings;
using settings_ref = std::shared_ptr<const session_settings>;

/// Setting name (lower case) -> the SQL statement that makes it so, replayed word for word on another server
/// connection.
class session_settings {
  public:
    using map = std::map<std::string, std::string, std::less<>>;

    /// No settings: what a server connection has after login or RESET ALL.
    static settings_ref none();
    /// The one object with these entries. Thread-safe.
    static settings_ref of(map entries);

    settings_ref with(std::string_view name, std::string statement) const;
    settings_ref without(std::string_view name) const;
    const std::string* find(std::string_view name) const;
    const map& entries() const noexcept { return entries_; }
    /// Alike where SQL text means the same: literals are read, and names found, when a statement is prepared.
    std::uint64_t reading() const noexcept { return reading_; }

    /// default_transaction_isolation is serializable, which no server in recovery offers.
    bool serializable() const noexcept { return serializable_; }

    explicit session_settings(map entries);

  private:
    map entries_;
    bool serializable_ = false;
    std::uint64_t reading_ = 0;
};

/// Whether a setting decides what a statement's text means when it is prepared.
bool decides_reading(std::string_view name) noexcept;

/// One SQL text that turns a server connection with settings `from` into one with `to`: resets first, then sets, then
/// session_authorization and role, which may take the right to do the rest away. Empty when nothing differs.
std::string settings_change(const session_settings& from, const session_settings& to);

/// 'text' as an SQL literal, safe under either standard_conforming_strings.
std::string quote_literal(std::string_view text);
/// `SELECT pg_catalog.set_config('name', 'value', false)`.
std::string set_config_statement(std::string_view name, std::string_view value);

}  // namespace ringway::pool
