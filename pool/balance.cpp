#include "pool/balance.hpp"

namespace ringway::pool::balancing {

// splitmix64: any seed will do, zero too.
std::uint64_t next_random(std::uint64_t& seed) {
    std::uint64_t mixed = seed += 0x9e3779b97f4a7c15ULL;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31);
}

}  // namespace ringway::pool::balancing
