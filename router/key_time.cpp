// Dates and times as keys, in the server's ISO output form. Anything whose reading hangs on a session's settings
// (DateStyle, TimeZone, 'today') is refused.

#include <chrono>

#include "router/key_parts.hpp"
#include "router/lexical.hpp"

namespace ringway::router::key_parts {
namespace {

using days = std::chrono::days;
using microseconds = std::chrono::microseconds;
using std::chrono::sys_days;

constexpr sys_days server_epoch = std::chrono::year{2000} / 1 / 1;
constexpr sys_days first_day = std::chrono::year{1} / 1 / 1;
constexpr sys_days last_day = std::chrono::year{9999} / 12 / 31;

/// Exactly `count` digits off the front of `rest`; -1 when they are not there.
int take_number(std::string_view& rest, std::size_t count) {
    if (rest.size() < count) return -1;
    int value = 0;
    for (std::size_t i = 0; i != count; ++i) {
        if (!lexical::is_digit(rest[i])) return -1;
        value = value * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    return value;
}

bool take(std::string_view& rest, char c) {
    if (!rest.starts_with(c)) return false;
    rest.remove_prefix(1);
    return true;
}

/// yyyy-mm-dd
bool take_date(std::string_view& rest, sys_days& out) {
    const int year = take_number(rest, 4);
    if (year < 1 || !take(rest, '-')) return false;
    const int month = take_number(rest, 2);
    if (month < 1 || !take(rest, '-')) return false;
    const int day = take_number(rest, 2);
    if (day < 1) return false;
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    out = date;
    return date.ok();
}

/// .ffffff; digits past the microsecond must be zeros, as the server would round them.
bool take_fraction(std::string_view& rest, int& out) {
    out = 0;
    if (!take(rest, '.')) return true;
    int digits = 0;
    for (; !rest.empty() && lexical::is_digit(rest.front()); rest.remove_prefix(1), ++digits) {
        if (digits < 6) {
            out = out * 10 + (rest.front() - '0');
        } else if (rest.front() != '0') {
            return false;
        }
    }
    for (int i = digits; i < 6; ++i) out *= 10;
    return true;
}

/// hh:mm[:ss[.ffffff]]
bool take_time(std::string_view& rest, microseconds& out) {
    const int hour = take_number(rest, 2);
    if (hour < 0 || hour > 23 || !take(rest, ':')) return false;
    const int minute = take_number(rest, 2);
    if (minute < 0 || minute > 59) return false;
    int second = 0, fraction = 0;
    if (take(rest, ':')) {
        second = take_number(rest, 2);
        if (second < 0 || second > 59 || !take_fraction(rest, fraction)) return false;
    }
    out =
        std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second) + microseconds(fraction);
    return true;
}

/// Z, +hh, +hh:mm, +hhmm or +hh:mm:ss
bool take_offset(std::string_view& rest, microseconds& out) {
    take(rest, ' ');
    out = {};
    if (take(rest, 'Z') || take(rest, 'z')) return true;
    const bool west = rest.starts_with('-');
    if (!take(rest, '-') && !take(rest, '+')) return false;
    const int hour = take_number(rest, 2);
    constexpr int largest_offset = 15;
    if (hour < 0 || hour > largest_offset) return false;
    int minute = 0, second = 0;
    const bool colon = take(rest, ':');
    if (colon || !rest.empty()) minute = take_number(rest, 2);
    if (colon && take(rest, ':')) second = take_number(rest, 2);
    if (minute < 0 || minute > 59 || second < 0 || second > 59) return false;
    out = std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
    if (west) out = -out;
    return true;
}

char* put_number(char* at, unsigned value, int digits) {
    for (int i = digits; i-- != 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
    return at + digits;
}

char* put_date(char* at, sys_days date) {
    const std::chrono::year_month_day civil(date);
    at = put_number(at, static_cast<unsigned>(static_cast<int>(civil.year())), 4);
    *at++ = '-';
    at = put_number(at, static_cast<unsigned>(civil.month()), 2);
    *at++ = '-';
    return put_number(at, static_cast<unsigned>(civil.day()), 2);
}

void finish(const char* at, canonical_key& out) {
    out.text = {out.small, static_cast<std::size_t>(at - out.small)};
}

bool date_key(sys_days date, canonical_key& out) {
    if (date < first_day || date > last_day) return false;
    finish(put_date(out.small, date), out);
    return true;
}

bool timestamp_key(std::chrono::sys_time<microseconds> when, bool zoned, canonical_key& out) {
    const auto date = std::chrono::floor<days>(when);
    if (date < first_day || date > last_day) return false;
    const std::chrono::hh_mm_ss time(when - date);
    char* at = put_date(out.small, date);
    *at++ = ' ';
    at = put_number(at, static_cast<unsigned>(time.hours().count()), 2);
    *at++ = ':';
    at = put_number(at, static_cast<unsigned>(time.minutes().count()), 2);
    *at++ = ':';
    at = put_number(at, static_cast<unsigned>(time.seconds().count()), 2);
    if (time.subseconds().count() != 0) {
        *at++ = '.';
        at = put_number(at, static_cast<unsigned>(time.subseconds().count()), 6);
        while (at[-1] == '0') --at;
    }
    if (zoned) {
        for (const char c : std::string_view("+00")) *at++ = c;
    }
    finish(at, out);
    return true;
}

}  // namespace

bool date_from_text(std::string_view value, canonical_key& out) {
    value = trimmed(value);
    sys_days date;
    return take_date(value, date) && value.empty() && date_key(date, out);
}

bool timestamp_from_text(std::string_view value, bool zoned, canonical_key& out) {
    value = trimmed(value);
    sys_days date;
    microseconds time{}, offset{};
    if (!take_date(value, date)) return false;
    if (!value.empty()) {
        if (!take(value, ' ') && !take(value, 'T') && !take(value, 't')) return false;
        if (!take_time(value, time)) return false;
    }
    if (zoned && !take_offset(value, offset)) return false;
    return value.empty() && timestamp_key(date + time - offset, zoned, out);
}

bool date_from_days(std::int64_t count, canonical_key& out) {
    constexpr std::int64_t limit = 10'000'000;
    if (count < -limit || count > limit) return false;  // infinity too
    return date_key(server_epoch + days(count), out);
}

bool timestamp_from_microseconds(std::int64_t value, bool zoned, canonical_key& out) {
    constexpr std::int64_t limit = 400'000'000'000'000'000;
    if (value < -limit || value > limit) return false;  // infinity too
    return timestamp_key(server_epoch + microseconds(value), zoned, out);
}

std::optional<std::int64_t> days_of_date(std::string_view canonical) {
    sys_days date;
    if (!take_date(canonical, date) || !canonical.empty()) return std::nullopt;
    return (date - server_epoch).count();
}

std::optional<std::int64_t> microseconds_of_timestamp(std::string_view canonical, bool zoned) {
    sys_days date;
    microseconds time{}, offset{};
    if (!take_date(canonical, date) || !take(canonical, ' ') || !take_time(canonical, time)) return std::nullopt;
    if ((zoned && !take_offset(canonical, offset)) || !canonical.empty()) return std::nullopt;
    return (date - server_epoch + time - offset).count();
}

}  // namespace ringway::router::key_parts
