// The input is a form in its first bytes, then COPY data. Its rows do not depend on the pieces that it comes in, and
// nothing of it is lost or doubled.
#include "router/copy_rows.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/fuzz/require.hpp"

using namespace ringway::router;
using ringway::fuzz::require;

namespace {

struct seen {
    copy_item what;
    std::string raw;
    std::vector<std::string> fields;
    friend bool operator==(const seen&, const seen&) = default;
};

std::vector<seen> read(const copy_form& form, std::string_view data, std::size_t step) {
    std::vector<seen> out;
    copy_rows rows(form, {{0}, {2, true, false}});
    std::string_view raw;
    const auto note = [&](copy_item what) {
        auto& one = out.emplace_back(seen{what, std::string(raw), {}});
        if (what != copy_item::row) return;
        for (std::size_t i = 0; i < 2; ++i)
            one.fields.push_back(std::to_string(static_cast<int>(rows.at(i).state)) + std::string(rows.at(i).text));
    };
    for (std::size_t at = 0; at < data.size(); at += step) {
        const std::string piece(data.substr(at, step));
        rows.feed(piece);
        for (auto what = rows.next(raw); what != copy_item::more; what = rows.next(raw)) {
            note(what);
            if (what == copy_item::bad) return out;
        }
    }
    for (auto what = rows.finish(raw); what != copy_item::more; what = rows.finish(raw)) {
        note(what);
        if (what == copy_item::bad) return out;
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    copy_form form;
    form.what = static_cast<copy_form::format>(data[0] % 3);
    form.header = (data[0] & 4) != 0;
    if (data[0] & 8) form.null.clear();
    if (data[0] & 16) form.delimiter = ',';
    if (data[0] & 32) form.escape = '\\';
    form.end_marker_in_csv = (data[0] & 64) == 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto whole = read(form, text, text.size() + 1);
    const auto parts = read(form, text, 1 + data[1] % 17);
    bool stopped = text.find("\\.") != text.npos;  // a row may stand before the marker in its line
    std::string all;
    for (const auto& each : whole) {
        all += each.raw;
        stopped |= each.what == copy_item::bad || each.what == copy_item::end;
    }
    require(text.starts_with(all), "pieces stand in the data in order");
    const bool lost_byte = form.what == copy_form::format::binary && text.size() - all.size() <= 1;
    require(stopped || lost_byte || all.size() == text.size(), "no byte is lost");
    // What a server refuses is shown as far as it has come.
    require(whole.size() == parts.size(), "as many items in pieces as in one");
    for (std::size_t i = 0; i < whole.size(); ++i)
        require(whole[i] == parts[i] || (whole[i].what == copy_item::bad && parts[i].what == copy_item::bad) ||
                    (stopped && i + 1 == whole.size()),
                "the same items");
    return 0;
}
