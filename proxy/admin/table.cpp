#include "proxy/admin/table.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace ringway::proxy::admin {

namespace {

using microseconds = std::chrono::microseconds;

constexpr auto postgres_epoch = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);

template <typename Number>
Number number_at(std::string_view text, std::size_t from, std::size_t length) {
    Number value{};
    std::from_chars(text.data() + from, text.data() + from + length, value);
    return value;
}

}  // namespace

cell cell_of(std::uint64_t value) {
    return fmt::to_string(value);
}
cell cell_of(std::int64_t value) {
    return fmt::to_string(value);
}
cell cell_of(bool value) {
    return value ? "t" : "f";
}

cell cell_of(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return value == std::trunc(value) && std::abs(value) < 1e15 ? fmt::format("{:.0f}", value)
                                                                : fmt::format("{}", value);
}

cell cell_of(std::chrono::system_clock::time_point value) {
    if (value.time_since_epoch().count() == 0) return std::nullopt;
    const auto exact = std::chrono::floor<microseconds>(value);
    const auto day = std::chrono::floor<std::chrono::days>(exact);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss<microseconds> time(exact - day);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                       time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

cell or_null(std::string value) {
    if (value.empty()) return std::nullopt;
    return value;
}

std::int64_t postgres_microseconds(std::string_view text) {
    using namespace std::chrono;
    if (text.size() < 26) return 0;
    const auto day = sys_days(year(number_at<int>(text, 0, 4)) / month(number_at<unsigned>(text, 5, 2)) /
                              number_at<int>(text, 8, 2));
    const auto time = hours(number_at<int>(text, 11, 2)) + minutes(number_at<int>(text, 14, 2)) +
                      seconds(number_at<int>(text, 17, 2)) + microseconds(number_at<int>(text, 20, 6));
    return duration_cast<microseconds>(day - postgres_epoch + time).count();
}

}  // namespace ringway::proxy::admin
