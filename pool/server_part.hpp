#pragma once
// What one engine's protocol adds to a server connection.

namespace ringway::pool {

struct server_part {
    server_part() = default;
    server_part(const server_part&) = delete;
    server_part& operator=(const server_part&) = delete;
    virtual ~server_part() = default;
};

}  // namespace ringway::pool
