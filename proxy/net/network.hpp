#pragma once
// Clients' addresses, and the networks that the configuration names.

#include <boost/asio/ip/address.hpp>
#include <string>
#include <vector>

namespace ringway::proxy {

/// As it is compared and shown: an IPv4 client of a socket that serves both families is an IPv4 client.
std::string text_of(const boost::asio::ip::address& of);

/// Whether an address is the one given, or within the network given ("10.0.0.0/8"). What is no address is in none.
bool is_within(const std::string& network, const std::string& address);
bool is_within_any(const std::vector<std::string>& networks, const std::string& address);

}  // namespace ringway::proxy
