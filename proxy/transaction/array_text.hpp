#pragma once
// Arrays as PostgreSQL reads them (its documentation, 8.15.2).

#include <optional>
#include <string>
#include <vector>

namespace ringway::proxy {

/// Put together value by value; a value is text, or NULL.
class array_text {
  public:
    static std::string of(const std::vector<std::string>& all);
    void add(const std::optional<std::string>& value);
    bool is_empty() const noexcept { return text_.empty(); }
    /// Once, behind the last value.
    const std::string& finish();

  private:
    std::string text_;
};

}  // namespace ringway::proxy
