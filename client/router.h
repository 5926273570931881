// Where each partition of one job is, and which elements it holds, as the newest directive says.
//
// Shapes   Partitions in order; offsets and counts are elements of the job's flat vector.
// Errors   InvalidArgument: a spec without parameters, or a placement that does not name exactly
//          the partitions that the spec has. The former routes stay.
// Threads  One object, one thread.
#ifndef PACELINE_CLIENT_ROUTER_H_
#define PACELINE_CLIENT_ROUTER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/job/parameters.h"
#include "proto/control.pb.h"

namespace paceline {

struct Route {
  uint64_t offset = 0;
  uint64_t elements = 0;
  std::string address;
  uint64_t term = 0;
  uint64_t server_incarnation = 0;
  uint64_t config = 0;
};

class Router {
 public:
  // Takes the places of `directive`; one without a placement (state WAITING) changes nothing.
  // `moved` becomes the partitions whose place or term is not what it was.
  absl::Status Update(const v1::JobDirective& directive, std::vector<uint32_t>* moved);

  // Whether a newer one has been taken: a coordinator that another has succeeded, and does not know
  // it, still answers.
  bool IsPast(const v1::JobDirective& directive) const;

  // Whether the places are known.
  bool ready() const { return !routes_.empty(); }

  size_t size() const { return routes_.size(); }
  const Route& operator[](size_t partition) const { return routes_[partition]; }

  // The job's parameters and the elements in all of them; empty and 0 until ready.
  const std::vector<ParameterInfo>& parameters() const { return parameters_; }
  uint64_t elements() const { return elements_; }

 private:
  std::vector<ParameterInfo> parameters_;
  std::vector<Route> routes_;
  uint64_t elements_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_ROUTER_H_
