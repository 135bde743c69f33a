// Conditions that every row a level lets through fulfils.

#include <algorithm>
#include <charconv>

#include "router/mysql/parser.hpp"
#include "router/mysql/shape.hpp"

namespace ringway::router::mysql {

void parser::add_condition(const expression& of, query_block& block) {
    switch (of.what) {
        case kind::and_:
            for (const auto& each : of.parts) add_condition(each, block);
            break;
        case kind::or_:
            add_alternatives(of, block);
            break;
        case kind::equal:
        case kind::same:
            add_equality(of.parts[0], of.parts[1], block, of.what == kind::same);
            break;
        case kind::in:
            add_in(of, block);
            break;
        default:
            break;
    }
}

/// a = 1 OR a = 2 is a IN (1, 2): a column tested in every branch has one of all their values.
void parser::add_alternatives(const expression& of, query_block& block) {
    std::vector<query_block> branches;
    for (const auto& each : of.parts) add_condition(each, branches.emplace_back());
    constexpr std::size_t most_work = 1'000'000;
    std::size_t tests = 0;
    for (const auto& each : branches) tests += each.tests.size();
    if (tests * branches.front().tests.size() > most_work) return;
    for (const auto& test : branches.front().tests) {
        key_test merged{test.column, {}};
        const bool everywhere = std::all_of(branches.begin(), branches.end(), [&](const query_block& branch) {
            const auto found = std::find_if(branch.tests.begin(), branch.tests.end(),
                                            [&](const key_test& t) { return t.column == test.column; });
            if (found == branch.tests.end()) return false;
            merged.values.insert(merged.values.end(), found->values.begin(), found->values.end());
            return true;
        });
        if (everywhere) block.tests.push_back(std::move(merged));
    }
}

/// `null_too`: <=>, which holds for two NULLs; only a literal is known to be none.
void parser::add_equality(const expression& left, const expression& right, query_block& block, bool null_too) {
    if (left.what == kind::row && right.what == kind::row) {
        if (left.parts.size() != right.parts.size()) return;
        for (std::size_t i = 0; i < left.parts.size(); ++i)
            add_equality(left.parts[i], right.parts[i], block, null_too);
        return;
    }
    const bool left_column = left.what == kind::column, right_column = right.what == kind::column;
    if (left_column && right_column) {
        if (!null_too) block.equalities.push_back({left.column, right.column});
    } else if (left_column || right_column) {
        auto value = source_of(left_column ? right : left);
        const bool known =
            null_too ? value.what == value_source::from::literal : value.what != value_source::from::unknown;
        if (known) block.tests.push_back({left_column ? left.column : right.column, {std::move(value)}});
    }
}

/// column IN (values), (column, ...) IN ((value, ...), ...).
void parser::add_in(const expression& of, query_block& block) {
    const auto& left = of.parts.front();
    const bool rows = left.what == kind::row;
    const std::size_t columns = rows ? left.parts.size() : 1;
    for (std::size_t i = 0; i < columns; ++i) {
        const auto& column = rows ? left.parts[i] : left;
        if (column.what != kind::column) continue;
        key_test test{column.column, {}};
        bool known = true;
        for (std::size_t n = 1; n < of.parts.size() && known; ++n) {
            const auto& item = of.parts[n];
            known = !rows || (item.what == kind::row && item.parts.size() == columns);
            if (!known) break;
            auto value = source_of(rows ? item.parts[i] : item);
            known = value.what != value_source::from::unknown;
            test.values.push_back(std::move(value));
        }
        if (known && !test.values.empty()) block.tests.push_back(std::move(test));
    }
}

/// Of + - * between integers the value itself.
value_source parser::source_of(const expression& of) {
    if (of.what == kind::value) return of.value;
    if (of.what != kind::plus && of.what != kind::minus && of.what != kind::times) return {};
    const auto result = integer_of(of);
    if (!result) return {};
    folded_values_ = true;
    value_source out;
    out.what = value_source::from::constant;
    out.constant = std::to_string(*result);
    return out;
}

std::optional<std::int64_t> parser::integer_of(const expression& of) {
    if (of.what == kind::value) {
        if (of.value.what != value_source::from::literal || !of.value.cast.empty() ||
            literals_[of.value.index].kind != literal_kind::integer)
            return std::nullopt;
        const auto& where = literals_[of.value.index];
        const auto digits = (of.value.negated ? "-" : "") + std::string(text_.substr(where.offset, where.length));
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(value) : std::nullopt;
    }
    if (of.what != kind::plus && of.what != kind::minus && of.what != kind::times) return std::nullopt;
    const auto left = integer_of(of.parts[0]), right = integer_of(of.parts[1]);
    std::int64_t result = 0;
    if (!left || !right) return std::nullopt;
    const bool overflow = of.what == kind::plus    ? __builtin_add_overflow(*left, *right, &result)
                          : of.what == kind::minus ? __builtin_sub_overflow(*left, *right, &result)
                                                   : __builtin_mul_overflow(*left, *right, &result);
    return overflow ? std::nullopt : std::optional(result);
}

}  // namespace ringway::router::mysql
