#include "router/postgres/copy.hpp"

#include <algorithm>

#include "router/lexical.hpp"

namespace ringway::router::postgres {

namespace {

/// A boolean as defGetBoolean reads it; MATCH, of a header, is one too.
bool is_on(node arg) {
    if (!arg) return true;
    if (arg["Boolean"]) return arg["Boolean"]["boolval"].is_true();
    if (arg["Integer"]) return arg["Integer"]["ival"].number(0) != 0;
    const auto word = arg["String"]["sval"].text();
    return lexical::same_word(word, "true") || lexical::same_word(word, "on") || lexical::same_word(word, "match");
}

std::string text_of(node arg) {
    return arg["String"]["sval"].text();
}

void set(char& to, const std::string& from) {
    if (from.size() == 1) to = from.front();
}

/// Names, or a star.
void read_names(node arg, std::vector<std::string>& names, bool& all) {
    if (arg["A_Star"]) all = true;
    for (const auto each : arg["List"]["items"]) names.push_back(each["String"]["sval"].text());
}

}  // namespace

std::shared_ptr<const copy_command> read_copy_command(node copy) {
    auto out = std::make_shared<copy_command>();
    auto& form = out->form;
    const auto word_of = [](node option) { return option["defname"].text(); };
    for (const auto each : copy["options"]) {  // what the others mean depends on it
        const auto option = each["DefElem"];
        if (word_of(option) != "format") continue;
        const auto word = text_of(option["arg"]);
        form.what = word == "csv"      ? copy_form::format::csv
                    : word == "binary" ? copy_form::format::binary
                                       : copy_form::format::text;
    }
    if (form.what == copy_form::format::csv) {
        form.delimiter = ',';
        form.null.clear();
    }
    bool escape_given = false;
    for (const auto each : copy["options"]) {
        const auto option = each["DefElem"];
        const auto arg = option["arg"];
        const auto name = word_of(option);
        if (name == "delimiter") {
            set(form.delimiter, text_of(arg));
        } else if (name == "null") {
            form.null = text_of(arg);
        } else if (name == "header") {
            form.header = is_on(arg);
        } else if (name == "quote") {
            set(form.quote, text_of(arg));
        } else if (name == "escape") {
            set(form.escape, text_of(arg));
            escape_given = true;
        } else if (name == "force_not_null") {
            read_names(arg, out->force_not_null, out->all_not_null);
        } else if (name == "force_null") {
            read_names(arg, out->force_null, out->all_null);
        } else if (name == "default") {
            form.default_marker = text_of(arg);
            form.has_default = true;
        } else if (name == "encoding") {
            auto word = text_of(arg);
            std::erase_if(word, [](char c) { return c == '-' || c == '_'; });
            if (!lexical::same_word(word, "utf8")) out->problem = "ENCODING";
        } else if (name == "on_error") {
            if (text_of(arg) != "stop") out->problem = "ON_ERROR";
        } else if (name == "freeze") {
            if (is_on(arg)) out->problem = "FREEZE";
        }
    }
    if (!escape_given) form.escape = form.quote;
    for (const auto each : copy["attlist"]) out->columns.push_back(each["String"]["sval"].text());
    return out;
}

}  // namespace ringway::router::postgres
