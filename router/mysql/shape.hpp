#pragma once
// A statement's shape by MySQL's lexical rules; router/shape.hpp has PostgreSQL's.

#include <string>
#include <string_view>
#include <vector>

#include "router/mysql/modes.hpp"
#include "router/shape.hpp"

namespace ringway::router {

/// In `normalized` a literal is `$` and a letter: $i an integer of at most 64 bits, $d any other number, $s a string in
/// either quotes, $n N'...', $b x'..', 0x.., b'..' and 0b... Words are kept in their own case: tables' names are told
/// apart by it. Executable comments that this server runs are kept with their marks, others dropped like any comment;
/// hints of ours (/* ringway: */) are kept. No allocation once warm.
class mysql_shape_lexer {
  public:
    shape scan(std::string_view text, const mysql_modes& modes);

  private:
    std::string normalized_;
    std::vector<literal> literals_;
};

/// The value of a literal as a view of `text`, else of `scratch`, which is overwritten: quotes and escapes undone, the
/// bytes of x'..', 0x.., b'..' and 0b..; numbers as written.
std::string_view mysql_literal_view(std::string_view text, const literal& what, const mysql_modes& modes,
                                    std::string& scratch);
std::string mysql_literal_value(std::string_view text, const literal& what, const mysql_modes& modes);

}  // namespace ringway::router
