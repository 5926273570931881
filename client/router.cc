#include "client/router.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/partitioning.h"

namespace paceline {
namespace {

bool SamePlace(const Route& a, const Route& b) {
  return a.address == b.address && a.term == b.term && a.server_incarnation == b.server_incarnation;
}

// Where in the flat vector each partition lies; who holds it is not known yet.
absl::Status LayOut(const v1::JobDirective& directive, std::vector<ParameterInfo>* parameters,
                    std::vector<Route>* routes) {
  const v1::JobSpec& spec = directive.spec();
  ASSIGN_OR_RETURN(*parameters, ParametersOf(spec, directive.facts()));
  const uint32_t servers = std::max<uint32_t>(1, LayoutServers(spec.fleet()));
  for (const Partition& partition :
       PartitionsOf(*parameters, servers, KeepsParametersWhole(spec.optimizer()))) {
    Route route;
    route.offset = partition.offset;
    route.elements = partition.elements;
    routes->push_back(std::move(route));
  }
  if (routes->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("job ", directive.job(), ": the spec has no parameters"));
  }
  return absl::OkStatus();
}

}  // namespace

bool Router::IsPast(const v1::JobDirective& directive) const {
  const auto& placement = directive.placement();
  for (size_t i = 0; i < routes_.size() && i < static_cast<size_t>(placement.size()); ++i) {
    if (placement[static_cast<int>(i)].config() < routes_[i].config) return true;
  }
  return false;
}

absl::Status Router::Update(const v1::JobDirective& directive, std::vector<uint32_t>* moved) {
  moved->clear();
  if (directive.placement().empty()) return absl::OkStatus();

  std::vector<Route> routes = routes_;
  std::vector<ParameterInfo> parameters = parameters_;
  if (routes.empty()) RETURN_IF_ERROR(LayOut(directive, &parameters, &routes));
  if (directive.placement_size() != static_cast<int>(routes.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("job ", directive.job(), ": the placement names ", directive.placement_size(),
                     " partitions, the spec has ", routes.size()));
  }
  for (int i = 0; i < directive.placement_size(); ++i) {
    const v1::PartitionPlacement& place = directive.placement(i);
    if (place.partition() != static_cast<uint32_t>(i)) {
      return absl::InvalidArgumentError(absl::StrCat("job ", directive.job(), ": entry ", i,
                                                     " of the placement is partition ",
                                                     place.partition(), ", wanted partition ", i));
    }
    routes[i].address = place.address();
    routes[i].term = place.term();
    routes[i].server_incarnation = place.server_incarnation();
    routes[i].config = place.config();
    if (routes_.empty() || !SamePlace(routes[i], routes_[i])) moved->push_back(i);
  }

  elements_ = TotalElements(parameters);
  parameters_ = std::move(parameters);
  routes_ = std::move(routes);
  return absl::OkStatus();
}

}  // namespace paceline
