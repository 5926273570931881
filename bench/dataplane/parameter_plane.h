// Paceline's data plane end to end, without a coordinator: ParameterService and PartitionHost on a
// gRPC server set up as the product's, ParameterTransport at the worker's end. Parameters are bare,
// the mode is async, every push is applied by an optimizer before its answer.
//
// Errors   None: an answer that is not OK ends the process.
// Threads  As the product's.
#ifndef PACELINE_BENCH_DATAPLANE_PARAMETER_PLANE_H_
#define PACELINE_BENCH_DATAPLANE_PARAMETER_PLANE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/dataplane/load.h"

namespace paceline::bench {

// "sgd" or "adam".
inline constexpr const char* kRules[] = {"sgd", "adam"};

// Listens at a free loopback port, says which to `announce`, returns when `wait` does.
void ServeParameters(const std::vector<size_t>& message_bytes,
                     const std::function<void(uint16_t port)>& announce,
                     const std::function<void()>& wait);

// CPU seconds that a partition takes for a GB of gradients that lie in memory already: finding that
// they are finite, and one step of the rule. What the network costs comes on top.
double ApplySecondsPerGb(const std::string& rule);

std::unique_ptr<Plane> ConnectParameters(uint16_t port, const std::string& rule);

}  // namespace paceline::bench

#endif  // PACELINE_BENCH_DATAPLANE_PARAMETER_PLANE_H_
