#pragma once
// What drivers, pools and tools send by themselves when they connect, answered without meaning anything to Ringway:
// SET of session settings, SHOW of them, SELECT 1, SELECT version(), DISCARD ALL.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "config/fault.hpp"
#include "proxy/admin/table.hpp"
#include "proxy/admin/token.hpp"

namespace ringway::proxy::admin {

/// Settings reported after login, as ParameterStatus, in order.
std::span<const std::pair<std::string_view, std::string_view>> reported_settings() noexcept;

/// Value of a session setting that a driver may ask for; nothing for others. The name in any case.
std::optional<std::string_view> session_setting(std::string_view name) noexcept;

/// Answer to SHOW of a session setting; nothing when it is none. `words` are the tokens after SHOW.
std::optional<table> answer_show(std::span<const token> words);
/// Answer to SET or RESET. Settings of sessions are taken without effect; others are refused: the file is where they
/// live.
result answer_set(std::string_view verb, std::span<const token> words);
/// Answer to a SELECT of numbers, texts and version(), current_schema() and the like.
result answer_select(std::span<const token> words);

}  // namespace ringway::proxy::admin
