// The input is a stream of frames; every decoder reads every body, whatever its type says.
#include "protocol/postgres/frame.hpp"

#include <cstddef>
#include <cstdint>

#include "protocol/postgres/message.hpp"
#include "tests/fuzz/require.hpp"

using namespace ringway::protocol::postgres;
using ringway::fuzz::inside;
using ringway::fuzz::require;

namespace {

/// A decoded message that is written again has the body it was read from.
bool same(std::string_view frame, std::string_view body) {
    return frame.substr(header_size) == body;
}

void client_messages(std::string_view body) {
    std::string again;
    if (const auto got = read_parse(body)) {
        for (std::size_t i = 0; i < got->type_count(); ++i) (void)got->type(i);
        require(inside(got->query, body), "a query points into its body");
        write_parse(again, got->name, got->query, got->types);
        require(same(again, body), "Parse");
    }
    again.clear();
    if (const auto got = read_bind(body)) {
        write_bind_head(again, got->portal, got->statement, got->rest.size());
        require(same(again += got->rest, body), "Bind");
        std::vector<bound_parameter> parameters;
        if (read_parameters(got->rest, parameters))
            for (const auto& each : parameters) require(inside(each.bytes, body), "a parameter points into its body");
    }
    again.clear();
    if (const auto got = read_target(body)) {
        write_target(again, 'D', got->kind, got->name);
        require(same(again, body), "Describe and Close");
    }
    again.clear();
    if (const auto got = read_execute(body)) {
        write_execute(again, got->portal, got->max_rows);
        require(same(again, body), "Execute");
    }
}

void server_messages(std::string_view body) {
    const auto state = error_sqlstate(body);
    const auto error = read_error(body);
    require(!error || error->get('C') == state, "both ways to read an SQLSTATE agree");
    for (const char code : {'S', 'V', 'M', 'D', 'H', 'P', '\0'})
        if (error) (void)error->get(code);
}

void fields(std::string_view body) {
    reader in(body);
    while (in.ok() && !in.at_end()) {
        switch (in.u8() % 5) {
            case 0:
                in.i16();
                break;
            case 1:
                in.i32();
                break;
            case 2:
                require(inside(in.text(), body), "a text points into its body");
                break;
            case 3:
                in.bytes(static_cast<std::size_t>(static_cast<std::int64_t>(in.i32())));
                break;
            default:
                break;
        }
    }
    require(in.ok() || (in.at_end() && in.u8() == 0), "a failed reader gives nothing more");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (;;) {
        frame_header header;
        const auto state = read_header(bytes, header);
        require((state == header_state::incomplete) == (bytes.size() < header_size), "five bytes decide");
        if (state != header_state::ready) break;
        require(header.total() == header.body() + header_size, "sizes agree");
        const auto body = bytes.substr(header_size, header.body());
        client_messages(body);
        server_messages(body);
        fields(body);
        if (header.total() >= bytes.size()) break;
        bytes.remove_prefix(header.total());
    }
    return 0;
}
