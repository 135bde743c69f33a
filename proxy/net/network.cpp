#include "proxy/net/network.hpp"

#include <algorithm>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace ringway::proxy {

namespace ip = boost::asio::ip;

std::string text_of(const ip::address& of) {
    if (of.is_v6() && of.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, of.to_v6()).to_string();
    return of.to_string();
}

bool is_within(const std::string& network, const std::string& address) {
    boost::system::error_code error;
    const auto given = ip::make_address(address, error);
    if (error) return false;
    if (network.find('/') == std::string::npos) return ip::make_address(network, error) == given && !error;
    if (given.is_v4()) {
        const auto net = ip::make_network_v4(network, error);
        if (error) return false;
        const auto mask = net.netmask().to_uint();
        return (given.to_v4().to_uint() & mask) == (net.address().to_uint() & mask);
    }
    const auto net = ip::make_network_v6(network, error);
    if (error) return false;
    const auto a = given.to_v6().to_bytes(), b = net.address().to_bytes();
    for (unsigned bit = 0; bit < net.prefix_length(); ++bit)
        if (((a[bit / 8] ^ b[bit / 8]) >> (7 - bit % 8)) & 1) return false;
    return true;
}

bool is_within_any(const std::vector<std::string>& networks, const std::string& address) {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const std::string& each) { return is_within(each, address); });
}

}  // namespace ringway::proxy
