#pragma once
// What the text of a function or of a DO block may do to the session that runs it. The text is not parsed, only read:
// where it cannot be known, more is taken for possible than is.

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace ringway::router {

struct body_use {
    std::vector<std::string> settings;  ///< settings with a dot in their names that it may set, in lower case
    std::vector<std::string> names;     ///< everything that may be the name of a function it calls; sorted
    std::string pin;                    ///< why a session that runs it must stay on its connection; empty: it need not
    bool sets = false;                  ///< has set_config, SET or RESET in it
    bool put_together = false;          ///< may run SQL that is made at run time and is not to be seen here
};

/// `language` as in pg_language, in lower case.
body_use read_body(std::string_view source, std::string_view language);

/// A function of the users', as the catalogs have it.
struct function_body {
    std::string name;
    body_use use;
    bool trigger = false;      ///< returns trigger
    bool is_volatile = false;  ///< any of that name
};

/// What is known of all functions' bodies together: who calls one that changes the session does so too.
struct body_closure {
    std::vector<std::string> settings;                  ///< that any of them may set; sorted
    std::unordered_map<std::string, std::string> pins;  ///< by bare name: why a session that calls it is pinned
    std::unordered_set<std::string> setters;            ///< bare names that may set something
    std::string any_pin, trigger_pin;                   ///< one of the reasons: of any, of any trigger's function
};
body_closure close_over(const std::vector<function_body>& all);

/// Why running this text pins the session, with what it calls; empty: it does not.
std::string pin_of(const body_use& what, const body_closure& known);

}  // namespace ringway::router
