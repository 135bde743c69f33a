// The input is one message of a replication stream, and what it carries.
#include "protocol/postgres/pgoutput.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/require.hpp"

using namespace ringway::protocol::postgres;
using ringway::fuzz::inside;
using ringway::fuzz::require;

namespace {

void look(const pgoutput::tuple& row, std::string_view bytes) {
    for (const auto& each : row)
        if (!each.bytes.empty()) require(inside(each.bytes, bytes), "a value points into its message");
}

void take(std::string_view bytes) {
    const auto got = pgoutput::read(bytes);
    if (!got) return;
    if (const auto* one = std::get_if<pgoutput::insert>(&*got)) look(one->row, bytes);
    if (const auto* one = std::get_if<pgoutput::update>(&*got)) look(one->before, bytes), look(one->row, bytes);
    if (const auto* one = std::get_if<pgoutput::erase>(&*got)) look(one->before, bytes);
    if (const auto* one = std::get_if<pgoutput::relation>(&*got))
        for (const auto& each : one->columns)
            if (!each.name.empty()) require(inside(each.name, bytes), "a name points into its message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    take(bytes);
    if (const auto got = read_stream_message(bytes))
        if (const auto* one = std::get_if<stream_data>(&*got)) take(one->payload);
    if (const auto at = read_wal_position(bytes)) require(read_wal_position(wal_text(*at)) == at, "a position");
    return 0;
}
