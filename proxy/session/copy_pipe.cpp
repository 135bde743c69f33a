#include "proxy/session/copy_pipe.hpp"

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

/// Signature, flags, length of an extension that no server sends; and the count that ends it.
constexpr std::size_t header_size = 19;
constexpr std::string_view trailer("\xff\xff", 2);

void write_copy_data(std::string& out, std::string_view data) {
    pg::writer frame(out, 'd');
    frame.bytes(data);
}

}  // namespace

void copy_pipe::begin(std::size_t shards) {
    header_sent_ = false;
    begun_.assign(shards, false);
}

/// The servers send each row in a message of its own, the first one after the header.
bool copy_pipe::forward(std::string_view frame, std::uint16_t shard, pool::wire& to) {
    auto data = frame.substr(pg::header_size);
    if (begun_[shard]) {
        if (data != trailer) to.write(frame);
        return true;
    }
    begun_[shard] = true;
    if (data.size() < header_size) return false;
    std::string out;
    if (!header_sent_) write_copy_data(out, data.substr(0, header_size));
    header_sent_ = true;
    data.remove_prefix(header_size);
    if (!data.empty() && data != trailer) write_copy_data(out, data);
    if (!out.empty()) to.write(out);
    return true;
}

std::string copy_pipe::begin_binary() {
    std::string out;
    write_copy_data(out, std::string_view("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", header_size));
    return out;
}

std::string copy_pipe::end() {
    std::string out;
    write_copy_data(out, trailer);
    pg::write_empty(out, 'c');
    return out;
}

}  // namespace ringway::proxy
