#pragma once
// Whether this process can serve, for load balancers and orchestrators.

#include <string>
#include <vector>

#include "proxy/control/inventory.hpp"

namespace ringway::proxy::http {

struct cluster_readiness {
    std::string cluster;
    bool ready = false;                ///< every shard has a primary
    std::vector<std::string> reasons;  ///< why not, one a shard
};

struct readiness {
    bool draining = false;
    std::vector<cluster_readiness> clusters;   ///< in the configuration's order
    bool ready() const;                        ///< all clusters are, and it does not drain
    std::vector<std::string> reasons() const;  ///< of all
};

readiness readiness_of(inventory& of);

}  // namespace ringway::proxy::http
